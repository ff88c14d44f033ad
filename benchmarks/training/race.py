"""Seconds of training until a network has a score, against segmentation-models-pytorch's Unet at its best.

Both are trained by `train.py`'s trainer on the same batches, in bfloat16 and channels last where that is fast, each
with the length and the rates of its own command. What it takes to look at the score is not counted.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from benchmarks.measure import Line, ratios
from benchmarks.training.learning import validated
from benchmarks.training.turns import built, train
from data.loading.datamodule import DataModule
from models.networks.encoders.efficientnet_lite0 import EfficientNetLite0
from models.networks.smp import SegmentationModels
from models.tasks.segmentation.task import Segmentation
from models.training.task import Task

LITE0 = "tf_efficientnet_lite0"

Entrant = Callable[[int], tuple[dict[str, Any], Task, DataModule]]  # by a seed: what `built` gives


class Race(NamedTuple):
    """Two trainings and the mIoU on a split that they race to, looked at every so many steps."""

    name: str
    ours: Entrant
    theirs: Entrant
    split: str
    score: float
    every: int


def recipe(camvid: str, seed: int) -> tuple[dict[str, Any], Task, DataModule]:
    """Ours: the recipe of CamVid, whose every step counts and not their average."""
    return built("experiment=camvid", f"data.root={camvid}", "task.ema=0", seed=seed)


def recipe_of_smp(camvid: str, seed: int) -> tuple[dict[str, Any], Task, DataModule]:
    """The same with smp's own Unet on the same encoder, from the same weights."""
    import segmentation_models_pytorch as smp  # here, not above: an optional extra

    options, task, module = recipe(camvid, seed)
    assert isinstance(task, Segmentation)
    network = SegmentationModels(3, len(task.classes), None, "Unet", f"tu-{LITE0}")
    body: Any = smp.Unet(f"tu-{LITE0}", encoder_weights=None, classes=len(task.classes))  # without gradients of ours
    body.encoder.model.load_state_dict(EfficientNetLite0(3, True).body.state_dict())
    network.body = body
    task.network = network.to(memory_format=torch.channels_last)
    return options, task, module


def races(camvid: str | None) -> list[Race]:
    """On earth the default against smp's Unet on its own default encoder, a ResNet-18, as it has none so small."""
    found = [
        Race(
            "default U-Net on earth",
            lambda seed: built(seed=seed),
            lambda seed: built("model=smp", "upsample=published", seed=seed),
            *("test", 0.76, 50),
        )
    ]
    if camvid is not None:
        found.append(
            Race(
                "CamVid's recipe",
                lambda seed: recipe(camvid, seed),
                lambda seed: recipe_of_smp(camvid, seed),
                *("val", 0.6, 45),
            )
        )
    return found


class ToScore(Callback):
    """Ends a training when its mIoU is reached; `seconds` of training until then, infinite where it never is."""

    def __init__(self, race: Race) -> None:
        self.race, self.spent, self.seconds = race, 0.0, float("inf")

    def on_train_start(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, task: Any, *_: Any) -> None:
        if trainer.global_step % self.race.every:
            return
        self.spent += time.perf_counter() - self.began
        if self.score(task, trainer.datamodule) >= self.race.score:  # type: ignore[attr-defined]  # which fit sets
            self.seconds, trainer.should_stop = self.spent, True
        self.began = time.perf_counter()

    def score(self, task: Any, module: DataModule) -> float:
        """mIoU of the weights as they are kept."""
        network: nn.Module = task.network.eval()
        try:
            return validated(network, task, getattr(module, f"{self.race.split}_dataloader")())
        finally:
            network.train()


def race(camvid: str | None, seeds: int) -> list[Line]:
    """4: each race by each seed, in turns."""
    lines = []
    for each in races(camvid):
        spent: tuple[list[float], list[float]] = ([], [])
        for seed in range(seeds):
            for entrant, found in zip((each.ours, each.theirs), spent, strict=True):
                options, task, module = entrant(seed)
                clock = ToScore(each)
                train(options | {"limit_val_batches": 0}, task, module, [clock])
                found.append(clock.seconds)
        note = ", ".join(f"{one:.0f} s against {other:.0f} s" for one, other in zip(*spent, strict=True))
        what = f"{each.name} to {each.score} {each.split} mIoU"
        lines.append(
            Line(what, "smp's Unet at its best, seconds of training", ratios(spent[1], spent[0]), 3.0, note=note)
        )
    return lines
