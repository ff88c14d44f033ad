"""Steps of `train.py`'s trainer, data loading and all, in turns with steps of other loops."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import seconds
from data.loading.datamodule import DataModule
from models.tasks.build import build_task
from models.training.task import Task
from models.training.trainer import build_trainer, fit

WARM = 3  # steps of each before the first that count

Step = Callable[[], object]
Batch = dict[str, Tensor]
Loop = Callable[[Any, Iterator[Batch]], Step]  # makes a step of a task, and of batches on the device without end


class InTurns(Callback):
    """Has loops of others take `turn` steps each after each `turn` steps of the trainer's, and times all.

    The loops are made when training begins, by then the task is where it is trained.
    ours, theirs  seconds of a step in each round; theirs of each loop
    """

    def __init__(self, make: Callable[[], Sequence[Step]], turn: int) -> None:
        self.make, self.turn = make, turn
        self.ours: list[float] = []
        self.theirs: list[list[float]] = []

    def on_train_start(self, *_: Any) -> None:
        self.steps, self.taken, self.began = self.make(), 0, 0.0
        self.theirs = [[] for _ in self.steps]

    def on_train_batch_end(self, *_: Any) -> None:
        self.taken += 1
        if self.taken == WARM:
            for step in self.steps:
                seconds(step, WARM)
        elif self.taken > WARM and (self.taken - WARM) % self.turn == 0:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.ours.append((time.perf_counter() - self.began) / self.turn)
            for found, step in zip(self.theirs, self.steps, strict=True):
                found.append(seconds(step, self.turn))
        else:
            return
        self.began = time.perf_counter()


class Clock(Callback):
    """Times the steps of a training from the WARM-th to the last; `seconds` are of one."""

    def on_train_start(self, *_: Any) -> None:
        self.taken, self.began, self.seconds = 0, 0.0, 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.taken += 1
        if self.taken == WARM:
            self.began = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds = (time.perf_counter() - self.began) / (self.taken - WARM)


def forward_backward(network: nn.Module, form: Callable[[Tensor], Tensor], x: Tensor) -> Step:
    """A pass of `form`, which is the network or computes with its weights, and its gradients, without an optimiser."""

    def run() -> None:
        network.zero_grad()
        with autocast():
            y = form(x)
        y.float().square().mean().backward()

    return run


def built(*overrides: str, seed: int = 0) -> tuple[dict[str, Any], Task, DataModule]:
    """The trainer's options, the task and the data that `train.py` begins with."""
    pl.seed_everything(seed, workers=True, verbose=False)
    config = configuration(*overrides, f"seed={seed}", "resume=never")
    return config["trainer"], *build_task(config)


def on_device(batch: dict[str, Any]) -> Batch:
    """What of a loader's batch is computed with, where it is."""
    return {key: value.to(device()) for key, value in batch.items() if isinstance(value, Tensor)}


def endless(module: DataModule) -> Iterator[Batch]:
    """Batch after batch of training, on the device, epoch after epoch."""
    loader = module.train_dataloader()
    while True:
        yield from map(on_device, loader)


def train(options: dict[str, Any], task: Task, module: DataModule, callbacks: Sequence[Callback] = ()) -> None:
    """Train as `train.py` does, as many steps as `options` say, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(options, Path(folder), task)
        trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]  # a list that Lightning types as none
        fit(trainer, task, module, Path(folder))


def steps_alone(count: int) -> dict[str, Any]:
    """Options of the trainer for so many steps, and no validation."""
    return {"max_epochs": -1, "max_steps": count, "limit_val_batches": 0}


def against(overrides: list[str], loops: Sequence[Loop], rounds: int, turn: int) -> InTurns:
    """Train as `train.py` does with these overrides, in turns with loops of one's own on the same data."""
    options, task, module = built(*overrides)
    turns = InTurns(lambda: [make(task, endless(module)) for make in loops], turn)
    train(options | steps_alone(WARM + rounds * turn), task, module, [turns])
    return turns
