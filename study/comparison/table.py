"""The leaderboard on the terminal and as CSV."""

import csv
import io

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from study.comparison import scores
from study.comparison.board import Board
from study.comparison.statistics import HOW_TO_READ


def interval(bounds: tuple[float, float] | None) -> str:
    """`[-0.012, 0.003]`, or nothing."""
    return f"[{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else ""


def print_board(board: Board) -> None:
    """Print the ranking with its differences, then every score of every group, then what is missing."""
    console = Console(width=None if Console().is_terminal else 120)
    name = scores.name(board.main)
    ranking = Table(title=board.title, title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    ranking.add_column("")
    for header in ("n", name, "to the best", "bootstrap 95 %", "t 95 %"):
        ranking.add_column(header, justify="right")
    ranking.add_column("verdict")
    for each in board.groups:
        entry = board.entry(each, board.main)
        cells = [""] * 5
        if entry:
            cells[:2] = [str(entry.n), scores.written(entry.mean, entry.deviation)]
            if entry.difference:
                difference = entry.difference
                cells[2:] = [f"{difference.mean:+.3g}", interval(difference.bootstrap), interval(difference.t)]
        ranking.add_row(each.label, *cells, board.verdict(each, board.main))
    console.print(ranking)

    together = max(1, (console.width - max(len(scores.name(key)) for key in board.scores) - 4) // 20)
    finished = [each for each in board.groups if each.finished]
    for start in range(0, len(finished), together):
        shown = finished[start : start + together]
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("mean ± standard deviation", no_wrap=True)
        for each in shown:
            table.add_column(each.label, justify="right")
        for score in board.scores:
            entries = [board.entry(each, score) for each in shown]
            arrow = {scores.HIGHER: " ↑", scores.LOWER: " ↓", 0: ""}[scores.direction(score)]
            table.add_row(
                scores.name(score) + arrow, *("" if e is None else scores.written(e.mean, e.deviation) for e in entries)
            )
        console.print(table)
    for label, seed, reason in board.missing:
        console.print(f"Missing: {label}, seed {seed}: {reason}", markup=False, highlight=False)
    for line in (*board.findings(), HOW_TO_READ):
        console.print(line, markup=False, highlight=False)


def to_csv(board: Board) -> str:
    """A line for each group and score: `better` is higher or lower, intervals of the difference to the best group."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("bootstrap_low", "bootstrap_high", "t_low", "t_high")
    writer.writerow(
        ["group", "score", "better", "n", "seeds", "mean", "standard_deviation", "difference", *ends, "verdict"]
    )
    for each in board.groups:
        for score in board.scores:
            entry = board.entry(each, score)
            if entry is None:
                continue
            better = {scores.HIGHER: "higher", scores.LOWER: "lower", 0: ""}[scores.direction(score)]
            seeds = " ".join(map(str, each.values(score)))
            difference = entry.difference
            bounds = (
                [*(difference.bootstrap or (None, None)), *(difference.t or (None, None))] if difference else [None] * 4
            )
            row = [each.label, score, better, entry.n, seeds, entry.mean, entry.deviation]
            writer.writerow([*row, difference and difference.mean, *bounds, board.verdict(each, score)])
    return text.getvalue()
