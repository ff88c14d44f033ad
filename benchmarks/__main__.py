"""Measure everything that is claimed of speed, against what a user would otherwise run.

    python -m benchmarks [--quick] [--camvid DIR] [NAME ...]
    python -m benchmarks instrument [--photos DIR] [--trials N]        not of speed: is the instrument right?
    python -m benchmarks atlas [NAME ...]        what published decoders print, by audit and by flat field

Prints the table of targets and ratios and, where all comparisons are asked for, writes it to benchmarks/RESULTS.md.
What is compared takes turns in one process; a ratio is of two turns of one round, and the table has the median and the
quartiles of the rounds (of shapes, where it says so). The exit code is 1 where a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks import compiled, forms, metrics, operators, pipeline, share
from benchmarks.atlas import page as atlas
from benchmarks.commands import refusals, startup, tools
from benchmarks.instrument import page as instrument
from benchmarks.measure import Line
from benchmarks.scale import classes, commands, exponents, many_files, processes
from benchmarks.training import encoders, learning, lightning, race, roofline, steps
from models.training.quiet import quiet
from models.training.trainer import machine
from plumbing.atomic import write_text

RESULTS = Path(__file__).with_name("RESULTS.md")
LONG = ("learning", "race", "compile", "files")  # minutes each: --quick leaves them out where they are not named
COLUMNS = ("what", "against", "target", "measured (quartiles)", "", "note")


def comparisons(quick: bool, camvid: str | None) -> dict[str, Callable[[], list[Line]]]:
    """Every comparison by name, in the order of the table."""
    few, many, once = (4, 3, 1) if quick else (9, 5, 3)
    most = operators.QUICK if quick else operators.FULL
    return {
        "framework": lambda: steps.framework(2 * few),
        "lightning": lambda: lightning.lightning(few),
        "unet": lambda: steps.unet(few),
        "learning": lambda: learning.learning(*((1, 50) if quick else (3, 300))),
        "race": lambda: race.race(camvid, once),
        "dcgan": lambda: steps.dcgan(few),
        "encoders": lambda: encoders.encoders(many),
        "roofline": lambda: roofline.roofline(few),
        "resize_conv": lambda: operators.resize_conv(most, many),
        "dilated_deconv": lambda: operators.dilated_deconv(most, many),
        "forms": lambda: forms.forms(most, many),
        "compile": lambda: compiled.compiled(few),
        "carafe": lambda: operators.carafe(many),
        "miou": lambda: metrics.miou(few),
        "scores": lambda: metrics.epoch(few),
        "share": lambda: share.share(camvid, once),
        "pipeline": lambda: pipeline.pipeline(camvid, few),
        "startup": lambda: startup.startup(few - 1),
        "tools": lambda: tools.tools(many - 1),
        "refusals": lambda: refusals.refusals(once),
        "many": lambda: commands.many(once),
        "scaling": lambda: exponents.exponents(many),
        "classes": lambda: classes.classes(many),
        "processes": lambda: processes.processes(once),
        "files": lambda: many_files.many_files(many),
    }


def cells(line: Line) -> tuple[str, ...]:
    """A row of the table."""
    verdict = {None: "", True: "reached", False: "MISSED"}[line.reached]
    return line.what, line.against, line.wanted, line.spread, verdict, line.note


def markdown(lines: list[Line], quick: bool, camvid: bool) -> str:
    """The table as the page that is kept."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, lines)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    command = f"python -m benchmarks{' --quick' if quick else ''}{' --camvid DIR' if camvid else ''}"
    told = f"`{command}` on {machine()}. What is missed, and why: [docs/speed.md](../docs/speed.md)."
    return f"# Speed, measured\n\n{told}\n\n{table}\n"


def main() -> int:
    """Run what is asked for."""
    quiet()
    if sys.argv[1:2] == ["instrument"]:
        return instrument.main(sys.argv[2:])
    if sys.argv[1:2] == ["atlas"]:
        return atlas.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = list(comparisons(True, None))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(names)}")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"fewer rounds, smaller shapes, without {', '.join(LONG)}: a quarter of an hour on two cores",
    )
    parser.add_argument("--camvid", help="CamVid's folder, whose loader is then measured too")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(names)}")

    lines: list[Line] = []
    errors = Console(stderr=True)
    for name, compare in comparisons(given.quick, given.camvid).items():
        if name not in given.names if given.names else given.quick and name in LONG:
            continue
        started = time.perf_counter()
        found = compare()
        lines += found
        errors.print(f"{name}: {', '.join(line.spread for line in found)} in {time.perf_counter() - started:.0f} s")
    table = Table(*COLUMNS, box=SIMPLE_HEAD)
    for line in lines:
        table.add_row(*cells(line))
    Console(width=200 if not sys.stdout.isatty() else None).print(table)
    print(machine())
    if not given.names:
        write_text(RESULTS, markdown(lines, given.quick, bool(given.camvid)))
        print(RESULTS)
    return int(any(line.reached is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
