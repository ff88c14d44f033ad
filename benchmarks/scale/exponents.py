"""How cost grows with work: a straight line in a log-log plot, whose slope is the exponent."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import data
import models
from benchmarks.configuration import configuration, device
from benchmarks.measure import Line, seconds, take_turns
from benchmarks.training.turns import forward_backward

BATCHES, WIDTHS, SIDES, IMAGES = [2, 4, 8, 16], [8, 16, 32, 64], [64, 128, 256, 512], [16, 64, 256]


def step(batch: int, width: int, side: int) -> Callable[[], object]:
    """Forward and backward of the default U-Net on `batch` images of `side` pixels."""
    network = models.build(configuration(f"encoder.width={width}"), 3, 3)
    network.to(memory_format=torch.channels_last).to(device())
    x = torch.randn(batch, 3, side, side, device=device()).contiguous(memory_format=torch.channels_last)
    return forward_backward(network, network, x)


def first_epoch(folder: Path, count: int) -> Callable[[], object]:
    """Reading, checking and decoding `count` pairs of files, and one epoch of the loader."""
    random = np.random.default_rng(0)
    for kind, levels in (("images", 256), ("masks", 2)):
        (folder / kind).mkdir(parents=True)
        for i in range(count):
            shape = (128, 128, 3) if kind == "images" else (128, 128)
            Image.fromarray(random.integers(levels, size=shape, dtype=np.uint8)).save(folder / kind / f"{i}.png")
    options = configuration("data=folder", f"data.root='{folder}'", "task.crop=64")["data"]

    def run() -> None:
        for _ in data.build(options, "labelled_images", seed=0).train_dataloader():
            pass

    return run


def slope(at: list[int], found: list[list[float]]) -> list[float]:
    """Of each round, the exponent that fits best."""
    return [float(np.polyfit(np.log(at), np.log(times), 1)[0]) for times in zip(*found, strict=True)]


def exponents(rounds: int) -> list[Line]:
    """11: exponents, and the seconds they are fitted to."""
    steps = {
        "a step by batch": (BATCHES, lambda n: step(n, 16, 128)),
        "a step by width": (WIDTHS, lambda n: step(8, n, 128)),
        "a step by image side": (SIDES, lambda n: step(4, 16, n)),
    }
    found = {what: (at, take_turns([make(n) for n in at], rounds)) for what, (at, make) in steps.items()}
    with tempfile.TemporaryDirectory() as folder:
        epochs = [first_epoch(Path(folder, str(n)), n) for n in IMAGES]
        times = [[seconds(epoch) for _ in range(rounds)] for epoch in epochs]
    found["start and first epoch by images"] = IMAGES, times
    return [
        Line(f"seconds of {what}", "exponent", slope(at, times), None, note=best(at, times))
        for what, (at, times) in found.items()
    ]


def best(at: list[int], times: list[list[float]]) -> str:
    """The least seconds at each point."""
    return ", ".join(f"{n}: {min(each):.3g} s" for n, each in zip(at, times, strict=True))
