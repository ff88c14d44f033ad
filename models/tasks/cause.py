"""Which layers of a trained network its fixed pattern comes from, and how the network scores without it, repaired."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from data.files import given_images
from data.files.reading import Span, read_image
from data.loading.datamodule import DataModule
from data.loading.loaded import Samples
from models.training.task import Task
from plumbing.messages import say
from upsample.instrument.outputs import OutputResult
from upsample.instrument.shifts import ShiftResult
from upsample.instrument.words import percent
from upsample.models.attribute import Attribution, attribute
from upsample.models.repair import Repair, repair

IMAGES = 8  # of the test, on which the layers are told apart
FITTED = 64  # images that a repaired network is fitted on


def used(task: Task) -> nn.Module:
    """What of the task's network is used once trained."""
    return task.network.get_submodule(task.network.used)


def attribution(task: Task, samples: Samples) -> Attribution:
    """Equalise the network's layers one by one; how long that takes is printed once the first measurement shows it.

    samples  of the test. Raises ValueError, with the reason, where no pattern could be measured.
    """
    images = task.inputs(samples, 1)
    measure, left = task.grid_measure(samples, IMAGES), 2 * len(task.network.upsamplers()) + 1

    def timed(network: nn.Module) -> ShiftResult | OutputResult:
        nonlocal left
        started = time.perf_counter()
        result = measure(network)
        if left:
            seconds = left * (time.perf_counter() - started)
            say(f"Where the pattern comes from: about {left} more measurements, {seconds:.0f} s ...")
            left = 0
        return result

    return attribute(used(task), images, measure=timed)


def source(found: Attribution) -> str:
    """The layers that a pattern comes from, in a sentence: the share of its root mean square that each makes alone."""
    if found.sources:
        each = [f"{p.name} ({percent(p.alone / found.whole)} of it alone, period {p.period})" for p in found.sources]
        return f"comes from {', '.join(each)}"
    if not found.layers:
        return "comes from no layer whose phases could be made equal"
    if not found.pattern.shown:
        return "not shown on the images that layers are told apart on"
    return "comes from no layer alone"


def folder(path: str, span: Span | None) -> Samples:
    """The images of a folder and all below it, read when they are asked for. Raises ValueError where it has none.

    span  of files of more than 8 bits, see `read_image`
    """
    found, wrong = given_images.find([path], Path(path, "out"))
    if wrong:
        raise ValueError(wrong[0])
    return Folder([*found.values()], span)


class Folder(Sequence[dict[str, Any]]):
    """Files as {"image": (3, H, W) uint8}."""

    def __init__(self, files: list[Path], span: Span | None) -> None:
        self.files, self.span = files, span

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> Any:
        return {"image": torch.from_numpy(read_image(self.files[index], self.span))}


def repaired(
    task: Task, data: DataModule, trainer: pl.Trainer, images: Samples | None = None
) -> tuple[Repair, dict[str, Any]]:
    """Repair the network in place and test it again.

    images  that it is fitted on as well, 64 of them; None: none. What takes no images is fitted on what it takes
    Returns what was done, and the scores of the test as `repaired/...`; none where nothing could be.
    """
    inputs = None
    if images is not None or task.network.used:
        inputs = task.inputs(data.test if images is None else images, FITTED)
        say(f"Fitting the repaired network on {sum(map(len, inputs))} inputs ...")
    report = repair(used(task), inputs)
    if not report.changed:
        return report, {}
    trainer.test(task, data, verbose=False)
    return report, {f"repaired/{k.removeprefix('test/')}": v for k, v in task.tested().items() if k.startswith("test/")}
