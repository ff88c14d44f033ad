"""Commands that look at much: many pairs, many runs, many jobs."""

import tempfile
from pathlib import Path

from benchmarks.commands.process import first_word, run
from benchmarks.measure import Line
from benchmarks.scale.folders import SIDE, pairs, runs

PAIRS, GROUPS, SEEDS, JOBS = 20_000, 100, 10, 500
FEW = 20  # pairs of what is done first and not counted


def once(folder: Path, count: int, groups: int, jobs: int) -> tuple[float, float, float]:
    """Seconds of a check of so many pairs, of a comparison, and to a sweep's first word, in a folder of its own."""
    folder.mkdir()
    check = ("check_data.py", "data=folder", f"data.root={pairs(folder / 'pairs', count)}")
    compare = ("compare.py", str(runs(folder, groups, SEEDS)), "--output", str(folder / "out"))
    sweep = ("train.py", "-m", f"seed=range({jobs})")
    return run(check, folder), run(compare, folder), first_word(sweep, folder)[0]


def many(rounds: int) -> list[Line]:
    """14: in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        once(Path(folder, "few"), FEW, 2, 2)
        times = [once(Path(folder, str(i)), PAIRS, GROUPS, JOBS) for i in range(rounds)]
    checked, compared, said = zip(*times, strict=True)
    return [
        Line(f"check_data.py, {PAIRS:,} pairs", "", checked, 15, False, f"seconds; PNG of {SIDE} pixels a side"),
        Line(f"compare.py, {GROUPS * SEEDS:,} runs", "", compared, 5, False, f"seconds; {GROUPS} configurations"),
        Line(f"first word of a sweep of {JOBS} jobs", "", said, 2, False, "seconds"),
    ]
