"""Calibrate the instrument: `python -m benchmarks instrument [--photos DIR] [--trials N] [ROWS ...]`.

Prints the table of what was tried, the target and what was measured; where all rows are asked for, writes it into
docs/instrument.md, and the picture of finds against false alarms beside it. The exit code is 1 where a target is
missed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.instrument.roc import draw_roc
from benchmarks.instrument.rows import Row, amounts, by_shifting, false_alarms, planted, smallest_found
from plumbing.atomic import write_text

PAGE = Path(__file__).parents[2] / "docs" / "instrument.md"
PICTURE = PAGE.parent / "images" / "instrument_roc.png"
BEGIN, END = "<!-- written by python -m benchmarks instrument -->", "<!-- to here -->"
COLUMNS = ("tried", "target", "measured", "", "note")


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table."""
    return row.tried, row.target, row.measured, {None: "", True: "reached", False: "MISSED"}[row.reached], row.note


def markdown(rows: list[Row]) -> str:
    """The table for the page."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [COLUMNS, ("---",) * len(COLUMNS), *map(cells, rows)])


def main(words: list[str]) -> int:
    """Run the rows that are asked for."""
    kinds: dict[str, Callable[[Path | None, int], Iterator[Row]]] = {
        "shifting": by_shifting,
        "alarms": false_alarms,
        "planted": planted,
        "amounts": amounts,
        "smallest": smallest_found,
    }
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks instrument", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("rows", nargs="*", metavar="ROWS", help=f"only these of {', '.join(kinds)}")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="a folder of photographs in PNG, such as BSD100's")
    parser.add_argument("--trials", type=int, default=200, metavar="N", help="sets of images for a row (default 200)")
    given = parser.parse_args(words)
    if unknown := set(given.rows) - set(kinds):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(kinds)}")
    if given.photos is not None and not any(given.photos.glob("*.png")):
        parser.error(f"there are no PNG files in {given.photos}")
    rows: list[Row] = []
    errors = Console(stderr=True, width=200)
    started = time.perf_counter()
    for name, kind in kinds.items():
        if given.rows and name not in given.rows:
            continue
        for row in kind(given.photos, given.trials):
            rows.append(row)
            errors.print(f"{time.perf_counter() - started:6.0f} s  " + "  |  ".join(filter(None, cells(row))))
    table = Table(*COLUMNS, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*cells(row))
    Console(width=200 if not sys.stdout.isatty() else None).print(table)
    if given.photos is None:
        print("Without --photos DIR nothing was tried on photographs.")
    elif not given.rows:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        write_text(PAGE, f"{before}{BEGIN}\n\n{markdown(rows)}\n\n{END}{after}")
        draw_roc(given.photos, given.trials, PICTURE)
        print(PAGE, PICTURE, sep="\n")
    return int(any(row.reached is False for row in rows))
