"""Loader workers that are killed or raise, in trainings whose samples do that to them."""

import gc
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import Loaded
from data.loading.workers import lost
from models.training.trainer import build_trainer, fit
from tests.models.tasks.tiny_runs import INFO, Noise, build


@pytest.fixture(autouse=True)
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The loaders of a test end with it. Found among garbage, torch's wait five seconds for each worker in vain."""
    yield
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    gc.collect()


WORST = 30  # seconds until the run has ended


class Fatal(Noise):
    """Samples in files, one of which ends whoever reads it, where that is a loader's worker."""

    def __init__(self, count: int, at: int, how: str) -> None:
        super().__init__(count)
        self.fatal, self.how, self.process = at, how, os.getpid()

    def where(self, index: int) -> str:
        return f"the image folder/{index}.png"

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == self.fatal and os.getpid() != self.process:
            if self.how == "raises":
                raise KeyError("no such thing")
            os.kill(os.getpid(), signal.Signals[self.how])
        return super().__getitem__(index)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "raises"])
def test_a_lost_worker_ends_the_run_soon_in_a_sentence_with_its_file(how: str, split: str, tmp_path: Path) -> None:
    first, second = (Fatal(64, 3 if split == part else -1, how) for part in ("train", "val"))
    data = DataModule(Loaded(INFO, first, second, Noise(4), augment=Augment({}, 32), batch_size=4, seed=0, workers=2))
    task = build("segmentation")
    options = {"accelerator": "cpu", "precision": "32-true", "max_epochs": 3}
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"the image folder/3\.png") as refusal:
        fit(build_trainer(options, tmp_path, task), task, data, tmp_path)
    assert time.monotonic() - began < WORST
    sentence = str(refusal.value)
    assert "\n" not in sentence
    if how == "raises":
        assert sentence.startswith("the image folder/3.png could not be prepared (KeyError: 'no such thing'); leave it")
    else:
        assert sentence.startswith("a process that prepares batches was killed at the image folder/3.png, as Linux")


def test_a_worker_lost_between_batches_ends_the_run_too(tmp_path: Path) -> None:
    data = DataModule(
        Loaded(INFO, Noise(64), Noise(64), Noise(64), augment=Augment({}, 32), batch_size=4, seed=0, workers=2)
    )
    task = build("segmentation")

    def kill(*_: Any) -> None:
        if task.trainer.global_step == 5:
            os.kill(next(pid for each in data.prepared for pid, _ in each.at.tolist() if pid), signal.SIGKILL)

    task.on_before_optimizer_step = kill
    options = {"accelerator": "cpu", "precision": "32-true", "max_epochs": 3}
    with pytest.raises(ValueError, match=r"a process that prepares batches was killed at sample \d+, as Linux"):
        fit(build_trainer(options, tmp_path, task), task, data, tmp_path)


@pytest.mark.parametrize("how", ["SIGKILL", "raises"])
def test_a_lost_worker_is_told_of_outside_of_training_too(how: str) -> None:
    parts = Noise(8), Noise(8), Fatal(8, 5, how)
    data = DataModule(Loaded(INFO, *parts, augment=Augment({}, 32), batch_size=4, seed=0, workers=2))
    with pytest.raises(ValueError, match=r"the image folder/5\.png"):
        list(data.test_dataloader())


@pytest.mark.parametrize("said", [
    "Caught RuntimeError in DataLoader worker process 1.\nOriginal Traceback (most recent call last):\nRuntimeError: "
    "unable to allocate shared memory(shm) for file </torch_25_38_10>: No space left on device (28)\n",
    "DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    "shared memory. Please try to raise your shared memory limit.",
])  # fmt: skip
def test_shared_memory_that_is_full_is_told_as_torch_tells_it(said: str) -> None:
    sentence = lost(RuntimeError(said), [])
    assert sentence is not None
    assert re.match(r"the shared memory, of [0-9,.]+ MB, through which processes hand over batches is full; ", sentence)
