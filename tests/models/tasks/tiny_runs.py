"""Trainings of a few steps of each kind, interrupted where a test wants it."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import upsample
from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import Images, LabelledImages, Loaded
from models.networks.dcgan import DCGAN
from models.networks.sngan import SNGAN
from models.networks.super_resolution import ESPCN
from models.tasks.generation import feature_networks
from models.tasks.generation.task import GAN
from models.tasks.segmentation.task import Segmentation
from models.tasks.super_resolution.task import SuperResolution
from models.training.callbacks import order
from models.training.task import Task
from models.training.trainer import build_trainer, fit

COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
INFO = LabelledImages("noise", (0.5,), (0.25,), ["a", "b", "c"], COLOURS, [1.0, 1.0, 1.0])
GREY = Images("noise", (0.5,), (0.25,))
BLANK = 7  # the one image that is white; the third batch of the first epoch holds it
EPOCHS = {"max_epochs": 3}
STEPS = {"max_epochs": -1, "max_steps": 8, "check_val_every_n_epoch": None, "val_check_interval": 2}


class Noise:
    """`count` grey images of 32 x 32 pixels, their masks and their classes; the same index gives the same."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = np.random.default_rng(index)
        image = torch.from_numpy(drawn.integers(256, size=(1, 32, 32), dtype=np.uint8))
        if index == BLANK:
            image.fill_(255)
        return {"image": image, "mask": image[0] // 86, "class": index % 3, "name": str(index)}


class Dropping(nn.Module):
    """A network whose steps draw random numbers of torch, NumPy and Python."""

    normalisation, period = None, 1

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 3, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        noise = random.random() + np.random.rand() if self.training else 0.0
        return self.layer(x + 0.1 * noise)


def build(kind: str) -> Task:
    """The task of a kind; of "segmentation, averaged" and the like with a running average of its weights, of "gan, of
    classes" and the like asked for one of three."""
    kind, _, how = kind.partition(", ")
    ema, classes = 0.5 if how == "averaged" else 0.0, 3 if how == "of classes" else None
    pl.seed_everything(0, verbose=False)
    if kind == "segmentation":
        return Segmentation(
            Dropping(), INFO, loss="cross_entropy", dice=0.0, auxiliary=0.0, lr=1e-2, schedule="one_cycle", warmup=0.1,
            weight_decay=1e-2, layer_decay=1.0, inference={}, checkerboard_images=1, gradient_checkerboard=False,
            ema=ema,
        )  # fmt: skip
    if kind == "super_resolution":
        enlarger = ESPCN(1, partial(upsample.build, "pixel_shuffle"), scale=2)
        return SuperResolution(enlarger, GREY, loss="l1", lr=1e-3, warmup=0.1, checkerboard_images=1, ema=ema)
    chosen = DCGAN if kind == "gan" else SNGAN
    network = chosen(1, partial(upsample.build, "deconv", balanced=False), latent=5, width=4, classes=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_networks, "find", lambda: None)  # it would take minutes to score with
        return GAN(
            network, GREY, loss="bce", d_steps=2, gradient_penalty=0.0, r1=0.0, lr=1e-3,
            betas=[0.5, 0.999], ema_decay=0.9, samples_every=100, score_images=4, val_images=4,
            gradient_checkerboard=False, seed=0,
        )  # fmt: skip


def noise(batch_size: int = 4, workers: int = 0) -> DataModule:
    parts = Noise(13), Noise(4), Noise(4)
    augment = Augment({"horizontal_flip": 0.5}, 32)
    return DataModule(Loaded(INFO, *parts, augment=augment, batch_size=batch_size, seed=0, workers=workers))


def train(task: Task, folder: Path, workers: int = 0, **options: Any) -> pl.Trainer:
    folder.mkdir(exist_ok=True)
    switches = {"checkpoint_minutes": 0} | {key: options.pop(key) for key in order.switches() if key in options}
    plain = {"accelerator": "cpu", "precision": "32-true"}
    running = build_trainer(plain | options, folder, task, switches=switches)
    fit(running, task, noise(workers=workers), folder)
    return running


def assert_same(one: Any, other: Any, at: str = "") -> None:
    assert type(one) is type(other), at
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_same(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), at
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{at}/{i}")
    elif isinstance(one, Tensor):
        assert torch.equal(one, other), at
    else:
        assert one == other, at


def train_until(step: int, task: Task, folder: Path, workers: int = 0, **options: Any) -> None:
    """Interrupt training when the batch of a step has arrived."""

    def failing(*_: Any) -> None:
        if task.trainer.global_step == step:
            raise RuntimeError("the power went out")

    task.on_train_batch_start = failing
    with pytest.raises(RuntimeError, match="the power went out"):
        train(task, folder, workers, **options)


def assert_same_end(one: Path, other: Path) -> None:
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    first, second = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (one, other))
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert_same(first[key], second[key], key)
    assert_same(first["callbacks"]["RandomNumbers"], second["callbacks"]["RandomNumbers"])
