"""The comparison as one HTML file that needs nothing else: no network, no other file.

Names come from anyone's run folders, so everything is escaped where it is written, and the page forbids the browser to
load or run anything but its own style, script and picture.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from study.comparison import scores
from study.comparison.board import Board
from study.comparison.runs import differing
from study.comparison.statistics import HOW_TO_READ
from study.comparison.table import interval
from study.pages import TEMPLATES, encoded, policy, words

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em;
  color-scheme: light dark; background: Canvas; color: CanvasText; overflow-wrap: break-word }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px }
dt { font-weight: 600 }
dd { margin: 0 0 .4em 1.2em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: Canvas }
td.word { text-align: left }
th button { font: inherit; font-weight: 600; border: 0; background: none; padding: 0; cursor: pointer }
th button::after { content: " \\2195"; opacity: .4 }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
.wide { overflow-x: auto }
img { width: 100%; min-width: 760px }
@media (prefers-color-scheme: dark) { img { filter: brightness(.8) } }
.best td { font-weight: 600 }
"""
# Sorts by each cell's data-value; cells without one stay at the end either way.
SCRIPT = """
for (const button of document.querySelectorAll("table.sortable th button")) button.onclick = () => {
  const header = button.parentElement, body = header.closest("table").tBodies[0];
  const way = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
  const value = row => row.cells[header.cellIndex].dataset.value ?? "";
  const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  const before = (a, b) => a === "" || b === "" ? (a === "") - (b === "") : way * compare(a, b);
  body.append(...[...body.rows].sort((a, b) => before(value(a), value(b))));
};
"""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what its column is sorted by; `word`: it is written from the left."""

    text: str
    value: float | str | None = None
    word: bool = False


@dataclass(frozen=True)
class Row:
    """The cells of a row, and whether it is the reference's."""

    cells: list[Cell]
    best: bool = False


Table = tuple[list[str], list[Row]]  # headers and rows


def html(board: Board, png: bytes | None, left_out: Sequence[str], folder: Path) -> str:
    """The page, with its picture inside, where there is one, and links to the runs' own pages.

    left_out  a sentence for each folder that is no run
    folder    where the page will lie
    """
    return TEMPLATES.get_template("page.html.j2").render(
        board=board,
        left_out=left_out,
        policy=policy(STYLE, SCRIPT),
        style=STYLE,
        script=SCRIPT,
        ranking=ranking(board),
        all_scores=all_scores(board),
        configurations=configurations(board),
        how_to_read=HOW_TO_READ,
        picture=png and encoded(png),
        reports=reports(board, folder),
        words=words(" ".join(["content-locked error", *board.findings()])),
    )


def reports(board: Board, folder: Path) -> list[tuple[str, str]]:
    """The name of each finished run that has a page of its own, and its address seen from `folder`."""
    pages = [run.folder / "report.html" for each in board.groups for run in each.finished]
    return [(page.parent.name, quote(os.path.relpath(page, folder))) for page in pages if page.is_file()]


def ranking(board: Board) -> Table:
    """All groups by the main score, and how they differ from the best."""
    rows = []
    for each in board.groups:
        entry = board.entry(each, board.main)
        cells = [Cell(each.label, each.label)]
        if entry is None:
            cells += [Cell("")] * 5
        else:
            difference = entry.difference
            cells += [Cell(str(entry.n), entry.n), Cell(entry.written(), entry.mean)]
            cells.append(Cell(f"{difference.mean:+.3g}", difference.mean) if difference else Cell(""))
            found = (difference.together, difference.t) if difference else (None, None)
            cells += [Cell(interval(bounds), bounds and bounds[0]) for bounds in found]
        verdict = board.verdict(each, board.main)
        rows.append(Row([*cells, Cell(verdict, verdict, word=True)], each is board.best))
    headers = ["configuration", "seeds", scores.name(board.main), "to the best", "together 96 %", "t 95 %", "verdict"]
    return headers, rows


def all_scores(board: Board) -> Table:
    """Every score of every group that has a finished run, and beside it its floor where there is one."""
    arrows = {scores.HIGHER: " (higher is better)", scores.LOWER: " (lower is better)", 0: ""}
    finished = [each for each in board.groups if each.finished]
    columns: list[tuple[str, list[Cell]]] = [("configuration", [Cell(each.label, each.label) for each in finished])]
    for score in board.scores:
        entries = [board.entry(each, score) for each in finished]
        name = scores.name(score)
        header = name + arrows[scores.direction(score)]
        columns.append((header, [Cell(entry.written(), entry.mean) if entry else Cell("") for entry in entries]))
        floors = [entry.floor if entry else None for entry in entries]
        if any(floor is not None for floor in floors):
            cells = [Cell("") if floor is None else Cell(f"{floor:.3g}", floor) for floor in floors]
            columns.append((f"floor of {name}", cells))
    rows = [Row([cells[i] for _, cells in columns], each is board.best) for i, each in enumerate(finished)]
    return [header for header, _ in columns], rows


def written(value: Any) -> str:
    """A setting as one types it: `null`, `true`, `deconv`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def configurations(board: Board) -> Table:
    """The keys in which the groups differ, and their values."""
    rows = []
    for key in differing([each.settings for each in board.groups]):
        values = ["" if key not in each.settings else written(each.settings[key]) for each in board.groups]
        rows.append(Row([Cell(key, key), *(Cell(value, value) for value in values)]))
    return ["key", *(each.label for each in board.groups)], rows
