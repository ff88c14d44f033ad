"""The comparison as one HTML file that needs nothing else: no network, no other file."""

from base64 import b64encode
from html import escape

from study.comparison import scores
from study.comparison.board import Board
from study.comparison.runs import differing
from study.comparison.statistics import HOW_TO_READ
from study.comparison.table import interval

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: white }
td.word { text-align: left }
th button { font: inherit; font-weight: 600; border: 0; background: none; padding: 0; cursor: pointer }
th button::after { content: " \\2195"; color: #aaa }
th[aria-sort=ascending] button::after { content: " \\2191"; color: #000 }
th[aria-sort=descending] button::after { content: " \\2193"; color: #000 }
.wide { overflow-x: auto }
img { max-width: 100% }
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


def html(board: Board, png: bytes) -> str:
    """The page, with its picture inside."""
    title = escape(f"Comparison: {board.title}")
    sections = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in board.findings()),
        _missing(board),
        "<h2>Differences to the best, by the main score</h2>",
        _ranking(board),
        f"<p>{escape(HOW_TO_READ)}</p>",
        "<h2>Every score: mean ± standard deviation over seeds</h2>",
        _all_scores(board),
        f'<p><img alt="Score against checkerboard, learning curves, spectra and outputs" src="data:image/png;base64,'
        f'{b64encode(png).decode()}"></p>',
        "<h2>What differs in the configurations</h2>",
        _configurations(board),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        + "\n".join(sections)
        + f"\n<script>{SCRIPT}</script>\n</html>\n"
    )


def _cell(text: str, value: object = None, word: bool = False) -> str:
    attributes = ' class="word"' if word else ""
    attributes += "" if value is None else f' data-value="{escape(str(value))}"'
    return f"<td{attributes}>{escape(text)}</td>"


def _table(name: str, headers: list[str], rows: list[tuple[bool, list[str]]]) -> str:
    """A sortable table: its id, its headers, its rows as (whether it is the best, cells)."""
    head = "".join(f"<th><button>{escape(header)}</button></th>" for header in headers)
    body = "\n".join(("<tr class='best'>" if best else "<tr>") + "".join(cells) + "</tr>" for best, cells in rows)
    table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table class="sortable" id="{name}">{table}</table></div>'


def _ranking(board: Board) -> str:
    rows = []
    for each in board.groups:
        entry = board.entry(each, board.main)
        cells = [_cell(each.label, each.label)]
        if entry is None:
            cells += [_cell("")] * 5
        else:
            difference = entry.difference
            cells += [_cell(str(entry.n), entry.n), _cell(scores.written(entry.mean, entry.deviation), entry.mean)]
            cells.append(_cell(f"{difference.mean:+.3g}", difference.mean) if difference else _cell(""))
            for bounds in (difference.bootstrap, difference.t) if difference else (None, None):
                cells.append(_cell(interval(bounds), bounds and bounds[0]))
        verdict = board.verdict(each, board.main)
        rows.append((each is board.best, [*cells, _cell(verdict, verdict, word=True)]))
    headers = ["configuration", "seeds", scores.name(board.main), "to the best", "bootstrap 95 %", "t 95 %", "verdict"]
    return _table("ranking", headers, rows)


def _all_scores(board: Board) -> str:
    arrows = {scores.HIGHER: " (higher is better)", scores.LOWER: " (lower is better)", 0: ""}
    rows = []
    for each in board.groups:
        if not each.finished:
            continue
        cells = [_cell(each.label, each.label)]
        for score in board.scores:
            entry = board.entry(each, score)
            cells.append(_cell(scores.written(entry.mean, entry.deviation), entry.mean) if entry else _cell(""))
        rows.append((each is board.best, cells))
    headers = [scores.name(score) + arrows[scores.direction(score)] for score in board.scores]
    return _table("scores", ["configuration", *headers], rows)


def _missing(board: Board) -> str:
    if not board.missing:
        return ""
    items = "".join(f"<li>{escape(label)}, seed {seed}: {escape(why)}</li>" for label, seed, why in board.missing)
    return f"<h2>Missing</h2><ul>{items}</ul>"


def _configurations(board: Board) -> str:
    keys = differing([each.settings for each in board.groups])
    rows = []
    for key in keys:
        values = ["" if key not in each.settings else str(each.settings[key]) for each in board.groups]
        rows.append((False, [_cell(key, key), *(_cell(value, value) for value in values)]))
    return (
        _table("configurations", ["key", *(each.label for each in board.groups)], rows) if rows else "<p>Nothing.</p>"
    )
