"""A folder of very many small files: start-up, memory, and images per second."""

import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from torch.utils.data import DataLoader

import data
from benchmarks.configuration import configuration
from benchmarks.loading import FLIP, PlainPIL, turns_of
from benchmarks.measure import Line, ratios
from benchmarks.operators import high_water
from benchmarks.scale.exponents import slope
from benchmarks.scale.folders import SIDE, pairs

COUNTS = [1_000, 10_000, 100_000]
CROP, BATCH = SIDE // 2, 32


@dataclass(frozen=True)
class Found:
    """Of a start: seconds to the first batch, bytes more at its peak, images per second of our and a plain loader."""

    seconds: float
    memory: int
    ours: list[float]
    plain: list[float]


def start(root: Path, rounds: int) -> Found:
    """Of a fresh process: begin with the data of a folder as train.py does, and load for some turns."""
    overrides = ("data=folder", f"data.root='{root}'", f"task.crop={CROP}", f"task.batch_size={BATCH}")
    config = configuration(*overrides)
    started, before = time.perf_counter(), high_water()
    module = data.build(config["data"], "labelled_images", config["seed"])
    loader = module.train_dataloader()
    next(iter(loader))
    took, memory = time.perf_counter() - started, high_water() - before
    files = module.train.cache.pairs[: len(module.train)]  # type: ignore[attr-defined]  # of files
    plain = DataLoader(PlainPIL(files, CROP, FLIP), BATCH, shuffle=True, drop_last=True)
    turns = turns_of(loader), turns_of(plain)
    ours, theirs = zip(*((turns[0](), turns[1]()) for _ in range(rounds)), strict=True)
    return Found(took, memory, list(ours), list(theirs))


def many_files(rounds: int) -> list[Line]:
    """16: labelled images of a few hundred bytes to some kilobytes each."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS:
            root = pairs(Path(folder, str(count)), count)
            with get_context("spawn").Pool(1) as fresh:
                found.append(fresh.apply(start, (root, rounds)))
    starts = ", ".join(
        f"{count:,}: {each.seconds:.1f} s, {each.memory / 1e6:.0f} MB"
        for count, each in zip(COUNTS, found, strict=True)
    )
    most = found[-1]
    speeds = f"{max(most.plain):.0f} → {max(most.ours):.0f} images/s at best, crops of {CROP} pixels"
    exponent = slope(COUNTS, [[each.seconds] for each in found])
    return [
        Line("seconds to the first batch by files", "exponent", exponent, None, note=starts),
        Line(f"loader, {COUNTS[-1]:,} pairs", "a plain PIL loader", ratios(most.ours, most.plain), None, note=speeds),
    ]
