"""Is the loader fast enough? Images per second against a plain PIL loader, and against the training it feeds.

    python -m benchmarks.loading --root path/to/camvid

Both loaders do the same work in one process on one core: a random square of an image and its mask, mirrored half of
the time, in the second comparison with brightness, contrast and saturation jittered by the same strength, collated
into uint8 batches. The PIL loader is what tutorials show: open both files, crop, mirror, torchvision's ColorJitter on
the crop (which is Pillow's ImageEnhance). All take turns, a fraction of a second each, so that whatever else the
machine does is shared: every ratio is of two turns in the same round, and what is printed is the median of the rounds
with the quartiles. The exit code is 1 where a target is missed.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

import data
from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import ratios, spread
from benchmarks.training.turns import on_device
from data.files.finding import Pair
from data.loading.augment import Augment
from models.tasks.build import build_task
from models.training.task import Task
from study import run_folder

FLIP = {"horizontal_flip": 0.5}
COLOUR = FLIP | {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3}
WORKS = {"crop, flip": FLIP, "crop, flip, colour": COLOUR}
# Times the images/s of the PIL loader. Colour costs both the same order of time, so there is less to gain.
TARGETS = {("crop, flip", "cache=ram"): 5.0, ("crop, flip, colour", "cache=ram"): 2.5}
TRAINING = ("training step", "default U-Net")
TURN = 0.3  # seconds at least


class PlainPIL(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of files, opened each time they are asked for."""

    def __init__(self, pairs: list[Pair], crop: int, options: dict[str, float]) -> None:
        self.pairs, self.crop, self.mirror = pairs, crop, options["horizontal_flip"]
        strengths = {key: value for key, value in options.items() if key != "horizontal_flip"}
        self.jitter = v2.ColorJitter(**strengths) if strengths else None  # type: ignore[arg-type]  # by name
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pair = self.pairs[index]
        assert pair.mask is not None
        with Image.open(pair.image) as picture, Image.open(pair.mask) as labels:
            top, left = (int(self.random.integers(n - self.crop + 1)) for n in (picture.height, picture.width))
            box = (left, top, left + self.crop, top + self.crop)
            image, mask = picture.convert("RGB").crop(box), labels.crop(box)
        if self.random.random() < self.mirror:
            image, mask = ImageOps.mirror(image), ImageOps.mirror(mask)
        if self.jitter is not None:
            image = self.jitter(image)
        return v2.functional.pil_to_tensor(image), v2.functional.pil_to_tensor(mask)[0]


def camvid(*overrides: str) -> dict[str, Any]:
    """The default U-Net on CamVid. What is counted in the data does not matter here, so it is given."""
    given = ("data.mean=[0.5,0.5,0.5]", "data.std=[0.5,0.5,0.5]", "data.class_weights=equal")
    return configuration("data=camvid", *given, *overrides)


def endless(loader: DataLoader) -> Iterator[Any]:
    """Batch after batch, epoch after epoch."""
    while True:
        yield from loader


def turns_of(loader: DataLoader) -> Callable[[], float]:
    """A function that loads for one turn and returns images per second."""
    batches, size = endless(loader), loader.batch_size or 1
    next(batches)

    def turn() -> float:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < TURN:
            next(batches)
            count += size
        return count / (time.perf_counter() - started)

    return turn


def training_turn(task: Task, loader: DataLoader) -> Callable[[], float]:
    """A function that takes a step on a batch at hand, on all cores or the GPU, and returns images per second."""
    task.to(device()).train()
    batch = on_device(next(iter(loader)))
    optimizer = torch.optim.AdamW(task.parameters(), 1e-4)
    warnings.filterwarnings("ignore", ".*self.log.*")  # there is no trainer to log to

    def turn() -> float:
        torch.set_num_threads(os.cpu_count() or 1)
        started = time.perf_counter()
        with autocast():
            loss = task.training_step(batch, 0)
        assert isinstance(loss, Tensor)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for the GPU
        seconds = time.perf_counter() - started
        torch.set_num_threads(1)
        return len(batch["image"]) / seconds

    return turn


def contenders(root: str, crop: int) -> dict[tuple[str, str], Callable[[], float]]:
    """What takes turns, by work and name."""
    common = (f"data.root='{root}'", f"task.crop={crop}")
    task, in_memory = build_task(camvid(*common))
    modules = {
        f"cache={cache}": data.build(camvid(*common, f"data.cache={cache}")["data"], task.kind, seed=0)
        for cache in ("none", "disk")
    } | {"cache=ram": in_memory}
    pairs = in_memory.train.cache.pairs[: len(in_memory.train)]  # type: ignore[attr-defined]  # of files

    found: dict[tuple[str, str], Callable[[], float]] = {}
    for work, options in WORKS.items():
        pil = DataLoader(PlainPIL(pairs, crop, options), in_memory.batch_size, shuffle=True, drop_last=True)
        found[work, "PIL"] = turns_of(pil)
        for name, module in modules.items():
            module.augment = Augment(options, crop, in_memory.augment.ignore_index)
            found[work, name] = turns_of(module.train_dataloader())
    for preset in ("standard", "strong"):
        options = camvid(*common, f"data/augment={preset}")["data"]["augment"]
        in_memory.augment = Augment(options, crop, in_memory.augment.ignore_index)
        found[f"preset {preset}", "cache=ram"] = turns_of(in_memory.train_dataloader())
    found[TRAINING] = training_turn(task, in_memory.train_dataloader())
    return found


def main() -> int:
    """Measure, print the table, and return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", required=True, help="CamVid's folder, with train and trainannot")
    parser.add_argument("--crop", type=int, default=352, help="pixels a side (default: 352)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each (default: 9)")
    given = parser.parse_args()
    with run_folder.one_sentence(False):
        turns = contenders(given.root, given.crop)
    torch.set_num_threads(1)
    rates: dict[tuple[str, str], list[float]] = {key: [] for key in turns}
    for _ in track(range(given.rounds), "Rounds", console=Console(stderr=True), transient=True):
        for key, turn in turns.items():
            rates[key].append(turn())

    table = Table(box=SIMPLE_HEAD)
    for column in ("work", "loader", "images/s", "times PIL", "target", "times training"):
        table.add_column(column, justify="left" if column in ("work", "loader", "target") else "right", no_wrap=True)
    missed, step = False, rates[TRAINING]
    for (work, loader), found in rates.items():
        pil = rates.get((work, "PIL"))
        gains = ratios(found, pil) if pil else []
        target, verdict = TARGETS.get((work, loader)), ""
        if target is not None:
            reached = np.median(gains) >= target
            verdict, missed = f"{target:g} {'reached' if reached else 'MISSED'}", missed or not reached
        against = np.median(ratios(found, step))
        speeds = f"{np.median(found):.1f}", spread(gains) if gains else "", verdict, f"{against:.0f}"
        table.add_row(work, loader, *speeds)
    Console(width=110).print(table)
    print(
        f"{given.root}, crops of {given.crop} pixels a side; medians of {given.rounds} rounds (quartiles). Loading on "
        f"one core, training on {'the GPU' if torch.cuda.is_available() else f'{os.cpu_count()} cores'}."
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
