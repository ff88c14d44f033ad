"""The pages: what they show in Python is run as it stands, and what they link to is there."""

import ast
import doctest
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from study import command_line
from tests.tiny import composed

ROOT = Path(__file__).parents[1]


def blocks(page: str) -> list[str]:
    """The Python that a page shows, block by block."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_for_notebooks_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it writes a file
    shown = doctest.DocTestParser().get_doctest("\n".join(blocks("docs/python.md")), {}, "docs/python.md", None, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    ran = runner.run(shown, out=said.append)
    assert (ran.failed, ran.attempted > 30) == (0, True), "".join(said)


def pages() -> Iterator[Path]:
    """All Markdown of the checkout, but what runs and tools left in it."""
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if not n.startswith(".") and n not in ("runs", "out", "node_modules")]
        yield from (Path(folder, file) for file in files if file.endswith(".md"))


def prose(page: Path) -> str:
    """A page without its blocks of code, and without code in its lines."""
    text = re.sub(
        r"^( *)(```+)[^\n]*\n.*?^\1\2 *$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """What can stand behind # in an address of the page: its headings, as GitHub names them, and its own anchors."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        same = sum(each == name or re.fullmatch(re.escape(name) + r"-\d+", each) is not None for each in found)
        found.add(f"{name}-{same}" if name in found else name)
    return found


def broken(page: Path) -> Iterator[str]:
    """The links of a page to files and headings that are not there."""
    targets = [a or b for a, b in re.findall(r"\]\((?:<([^>\n]+)>|([^)\s]+))", prose(page))]
    targets += re.findall(r"^ *\[[^]]+\]: +(\S+)", prose(page), re.MULTILINE)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists():
            yield f"{page}: {target} is not there"
        elif anchor and other.suffix == ".md" and anchor not in anchors(other):
            yield f"{page}: {target} has no such heading"


def test_what_pages_link_to_is_there() -> None:
    found = [*pages()]
    assert ROOT / "README.md" in found
    assert [sentence for page in found for sentence in broken(page)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/your_data.md", "docs/repair.md"])
def test_what_stands_behind_a_command_may_be_pasted_with_it(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    said = [re.split(r" {3,}", line)[1:] for line in lines if re.match(r"(uv run|python) ", line)]
    assert any(said)
    assert [each for each in said if each and not each[0].startswith("# ")] == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# What `it` is: a test\n# Twice\n# Twice\n[a](#what-it-is-a-test) [b](#twice-1) [c](other.md) [d](#nothing)\n"
        "`[e](code)` ![f](<no picture.png>)\n```\n[g](block)\n```\n[h](https://elsewhere.example/x)\n",
        encoding="utf-8",
    )
    assert [told.removeprefix(f"{page}: ") for told in broken(page)] == [
        "other.md is not there",
        "#nothing has no such heading",
        "no picture.png is not there",
    ]


def test_the_notebook_holds_python_and_commands_that_there_are() -> None:
    """tests/stress runs it; here every cell is read, and every command's overrides are composed."""
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    typed = []
    for cell in cells:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            typed += [line for line in lines if line.startswith("!")]
            ast.parse("\n".join(line for line in lines if not line.startswith("!")))
    files = [shlex.split(line.replace("{", "").replace("}", "")) for line in typed]
    assert [words[:2] for words in files] == [
        ["!python", f"{name}.py"] for name in ("check_data", "train", "evaluate", "predict", "export")
    ]
    for _, file, *words in files:
        if file != "predict.py":
            composed({"train": "config"}.get(Path(file).stem, Path(file).stem), *command_line.quoted(words))


def test_no_default_ends_below_its_colour_table() -> None:
    section = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").partition("## Defaults on earth")[2]
    table = float(section.partition("colour table scores, ")[2].partition(" ")[0])
    lines = section.partition("\n## ")[0].splitlines()
    rows = [line.split("|")[2] for line in lines if line.startswith("| `") and "mIoU" not in line]
    scores = [float(score.partition("±")[0]) for row in rows for score in row.split(",")]
    assert len(rows) >= 5
    assert 0.5 < table < min(scores) < 1
