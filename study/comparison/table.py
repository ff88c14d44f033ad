"""The leaderboard on the terminal and as CSV."""

import csv
import io

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plumbing.messages import as_text
from study.comparison import scores
from study.comparison.board import Board
from study.comparison.statistics import HOW_TO_READ

SHOWN = 20  # groups of which the terminal lists every score, and missing runs that it names; the files have all


def interval(bounds: tuple[float, float] | None) -> str:
    """`[-0.012, 0.003]`, or nothing."""
    return f"[{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else ""


def print_board(board: Board) -> None:
    """Print the ranking with its differences, then every score of the groups, then what is missing."""
    console = Console(width=None if Console().is_terminal else 120)
    console.print(ranking(board))
    together = max(1, (console.width - max(len(scores.name(key)) for key in board.scores) - 4) // 20)
    finished = [each for each in board.groups if each.finished]
    listed = finished[:SHOWN]
    for start in range(0, len(listed), together):
        shown = listed[start : start + together]
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("mean ± standard deviation", no_wrap=True)
        for each in shown:
            table.add_column(Text(each.label), justify="right")
        for score in board.scores:
            entries = [board.entry(each, score) for each in shown]
            arrow = {scores.HIGHER: " ↑", scores.LOWER: " ↓", 0: ""}[scores.direction(score)]
            table.add_row(Text(scores.name(score) + arrow), *("" if e is None else e.written() for e in entries))
            floors = [None if e is None else e.floor for e in entries]
            if any(floor is not None for floor in floors):
                table.add_row("  its floor", *("" if floor is None else f"{floor:.3g}" for floor in floors))
        console.print(table)
    lines = [f"Missing: {label}, seed {seed}: {reason}" for label, seed, reason in board.missing]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"Missing: {len(lines) - SHOWN} more"]
    if len(finished) > SHOWN:
        lines.append(f"Every score of the other {len(finished) - SHOWN} configurations is in the files")
    for line in (*lines, *board.findings(), HOW_TO_READ):
        console.print(line, markup=False, highlight=False)


def ranking(board: Board) -> Table:
    """All groups by the main score, and how they differ from the best."""
    table = Table(title=Text(board.title, "bold"), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for header in ("n", scores.name(board.main), "to the best", "together 96 %", "t 95 %"):
        table.add_column(Text(header), justify="right")
    table.add_column("verdict")
    for each in board.groups:
        entry = board.entry(each, board.main)
        cells = [""] * 5
        if entry:
            cells[:2] = [str(entry.n), entry.written()]
            if entry.difference:
                difference = entry.difference
                cells[2:] = [f"{difference.mean:+.3g}", interval(difference.together), interval(difference.t)]
        table.add_row(Text(each.label), *cells, board.verdict(each, board.main))
    return table


def to_csv(board: Board) -> str:
    """A line for each group and score: `better` is higher or lower, `floor` the score's own where it has one; intervals
    are of the difference to the best group, the bootstrap's of the main score alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["group", "score", "better", "n", "seeds", "mean", "standard_deviation", "floor", "difference"]
    intervals = ("together", "t", "bootstrap")
    writer.writerow([*columns, *(f"{name}_{end}" for name in intervals for end in ("low", "high")), "verdict"])
    for each in board.groups:
        for score in board.scores:
            entry = board.entry(each, score)
            if entry is None:
                continue
            better = {scores.HIGHER: "higher", scores.LOWER: "lower", 0: ""}[scores.direction(score)]
            seeds = " ".join(map(str, each.values(score)))
            row = [as_text(each.label), as_text(score), better, entry.n, as_text(seeds)]
            row += [entry.mean, entry.deviation, entry.floor]
            bounds: list[float | None] = [None] * 6
            if difference := entry.difference:
                found = (difference.together, difference.t, difference.bootstrap if score == board.main else None)
                bounds = [end for each_ in found for end in each_ or (None, None)]
            writer.writerow([*row, difference and difference.mean, *bounds, board.verdict(each, score)])
    return text.getvalue()
