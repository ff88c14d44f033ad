import sys
from pathlib import Path

import pytest

from plumbing.table import Table


def test_what_stands_in_the_folder_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shelf"
    (folder / "below").mkdir(parents=True)
    (folder / "__init__.py").write_text("from plumbing.table import Table\nthing = Table('thing', 'shelf')\n")
    (folder / "below" / "__init__.py").write_text("")
    (folder / "second.py").write_text("from shelf import thing\n@thing('two')\nclass Two: ...\n")
    (folder / "below" / "first.py").write_text("from shelf import thing\n@thing('one')\nclass One: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from shelf import thing  # type: ignore[import-not-found]  # written above

    assert isinstance(thing, Table)
    assert not any(name.startswith("shelf.") for name in sys.modules)  # nothing is imported before it is asked for
    assert list(thing) == ["one", "two"]
    assert thing["two"].__name__ == "Two"
    assert thing.choose({"name": "one", "width": 3}) == (thing["one"], {"width": 3})
    for wrong, sentence in (
        ({"name": "twoo"}, r"thing.name is 'twoo', which does not exist; did you mean two\? choose from one, two"),
        ({}, "thing.name is 'None', which does not exist; choose from one, two"),
        ({"name": [1]}, "thing.name is '\\[1\\]', which does not exist; choose from one, two"),
    ):
        with pytest.raises(ValueError, match=sentence):
            thing.choose(wrong)
    with pytest.raises(ValueError, match="two things are called 'one'"):
        thing("one")(int)
