"""Where a stopped run goes on: checkpoints that are whole or not there, also between validations."""

import os
import random
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback

from plumbing.atomic import whole


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes it to the disk and renames it: what stops the write, be it a full
    disk or the end of the power, leaves the one before it. Raises ValueError where it cannot be written."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        try:
            with whole(path) as partial, partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            self._flush_names(path.parent)
        except OSError as error:
            kept = "the one before it is whole" if path.exists() else "there was none before it"
            raise ValueError(
                f"the checkpoint {path} could not be written ({error.strerror}), {kept}; mend that and start the same "
                "command again, which continues the run"
            ) from error

    @staticmethod
    def _flush_names(folder: Path) -> None:
        """Have a renaming survive the end of the power, too."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def newest(folder: Path) -> Path | None:
    """The checkpoint from which a run continues: last.ckpt, else best.ckpt, else None; damaged ones are named."""
    for path in (folder / "last.ckpt", folder / "best.ckpt"):
        if path.exists():
            reason = damage(path)
            if reason is None:
                return path
            print(f"Passed over: {path} is damaged ({reason})", flush=True)
    return None


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint's file, as its length and checksums tell; None for a whole one."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        return str(error)
    return None if member is None else f"the checksum of {member} is wrong"


class BetweenValidations(Callback):
    """Writes last.ckpt every so many minutes, 0: after each step. Validations write it, too, and count none of these.

    Not after a step that a validation or the end of the epoch follows, since Lightning would not make up for them, nor
    while gradients accumulate, which are kept nowhere; then after the next one.
    """

    def __init__(self, path: Path, minutes: float) -> None:
        if not (isinstance(minutes, int | float) and minutes >= 0):
            raise ValueError(f"trainer.checkpoint_minutes must be 0 or more, not {minutes}")
        self.path, self.seconds, self.written, self.saved_step = path, 60 * minutes, 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.written = time.monotonic()
        # Lightning hands a loader its state only where it is made after the loops have theirs; a schedule that asks
        # for the number of steps has it made before.
        trainer.fit_loop._load_combined_loader_states()
        if trainer.global_step:
            print(f"Continuing after step {trainer.global_step}", flush=True)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        assert trainer.fit_loop._data_fetcher is not None
        followed = loop._num_ready_batches_reached() or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
        due = time.monotonic() - self.written >= self.seconds and not followed and not loop._should_accumulate()
        if trainer.strategy.reduce_boolean_decision(due):  # ranks save together, though their clocks differ
            trainer.save_checkpoint(self.path)
            self.written, self.saved_step = time.monotonic(), trainer.global_step


class RandomNumbers(Callback):
    """Keeps the states of torch's, NumPy's and Python's random numbers in checkpoints, which Lightning leaves out.

    They are set just before the first step, since what is built before it may draw, too.
    """

    def __init__(self) -> None:
        self.loaded: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        version, numbers, gauss = random.getstate()
        legacy: Mapping[str, Any] = np.random.get_state(legacy=False)  # type: ignore[assignment]  # its stub knows no legacy
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            # As plain numbers: NumPy's own arrays would need code to be loaded.
            "numpy": {**legacy, "state": {**legacy["state"], "key": legacy["state"]["key"].tolist()}},
            "python": [version, list(numbers), gauss],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loaded = state

    def on_train_batch_start(self, *_: Any) -> None:
        if not self.loaded:
            return
        torch.set_rng_state(self.loaded["torch"])
        if len(self.loaded["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self.loaded["cuda"])
        key = np.array(self.loaded["numpy"]["state"]["key"], np.uint32)
        np.random.set_state(self.loaded["numpy"] | {"state": self.loaded["numpy"]["state"] | {"key": key}})
        version, numbers, gauss = self.loaded["python"]
        random.setstate((version, tuple(numbers), gauss))
        self.loaded = {}
