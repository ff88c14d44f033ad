"""Commands that look at much: many pairs, many runs, many jobs."""

import tempfile
from pathlib import Path

from benchmarks.commands.process import first_word, run
from benchmarks.measure import Line
from benchmarks.scale.folders import SIDE, pairs, runs

PAIRS, GROUPS, SEEDS, JOBS = 20_000, 100, 10, 500


def many(rounds: int) -> list[Line]:
    """14: in seconds."""
    sweep = ("train.py", "-m", f"seed=range({JOBS})")
    with tempfile.TemporaryDirectory() as folder:
        where = pairs(Path(folder, "pairs"), PAIRS)
        check = ("check_data.py", "data=folder", f"data.root={where}")
        compare = ("compare.py", str(runs(Path(folder), GROUPS, SEEDS)), "--out", str(Path(folder, "out")))
        checked, compared, said = zip(
            *((run(check, folder), run(compare, folder), first_word(sweep, folder)[0]) for _ in range(rounds)),
            strict=True,
        )
    return [
        Line(f"check_data.py, {PAIRS:,} pairs", "", checked, 15, False, f"seconds; PNG of {SIDE} pixels a side"),
        Line(f"compare.py, {GROUPS * SEEDS:,} runs", "", compared, 5, False, f"seconds; {GROUPS} configurations"),
        Line(f"first word of a sweep of {JOBS} jobs", "", said, 2, False, "seconds"),
    ]
