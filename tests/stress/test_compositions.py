"""A thousand random configurations; several minutes."""

from pathlib import Path

from tests.compositions import tried


def test_configurations_are_built_or_refused_in_a_sentence(tmp_path: Path) -> None:
    found, wrong = tried(1000, 0, tmp_path)
    print(dict(found))
    assert not wrong, "\n".join(wrong)
    assert found["built"] > 50
