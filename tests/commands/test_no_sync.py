"""Training steps never wait for the device: nothing in them asks for a number that lies there."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode

from models.tasks.build import build_task
from models.training.trainer import build_trainer, fit
from tests.tiny import configuration

# What reads a number from the device: item, bool, int, tolist; picking by a mask, whose count must be known.
READING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero", "aten::equal")
COUNTED = range(1, 6)  # steps; the first sets up, and every eighth looks for NaN


class Readings(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name() in READING:
            self.count[func.name()] += 1
        return func(*args, **(kwargs or {}))


class Watch(Callback):
    def __init__(self) -> None:
        self.readings, self.steps = Readings(), 0

    def on_train_batch_start(self, trainer: Any, task: Any, batch: Any, index: int) -> None:
        if index in COUNTED:
            self.readings.__enter__()

    def on_train_batch_end(self, trainer: Any, task: Any, outputs: Any, batch: Any, index: int) -> None:
        if index in COUNTED:
            self.readings.__exit__(None, None, None)
            self.steps += 1


@pytest.mark.parametrize(
    "overrides",
    [
        ["encoder.width=4", "encoder.depth=2", "task.crop=32"],
        ["model=dcgan", "model.width=4", "task.batch_size=4"],
        ["model=espcn", "upsample=pixel_shuffle"],
    ],
    ids=["segmentation", "gan", "super_resolution"],
)
def test_no_step_reads_a_number_from_the_device(tmp_path: Path, overrides: list[str]) -> None:
    config = configuration(*overrides, "trainer.accelerator=cpu")
    task, module = build_task(config)
    limits = {"max_epochs": -1, "max_steps": len(COUNTED) + 1, "limit_val_batches": 0, "precision": "32-true"}
    trainer = build_trainer(config["trainer"] | limits, tmp_path, task)
    watch = Watch()
    trainer.callbacks.insert(0, watch)
    fit(trainer, task, module, tmp_path)
    assert watch.steps == len(COUNTED)
    assert not watch.readings.count


def test_what_reads_is_seen() -> None:
    x = torch.tensor([1.0, 0.0])
    with (readings := Readings()):
        _ = bool(x[0]), x.sum().item(), x[x > 0]
    assert readings.count["aten::_local_scalar_dense"] >= 2
