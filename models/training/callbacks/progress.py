"""How far a training is, on a terminal and elsewhere."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Console

from plumbing.messages import say

EVERY = 30.0  # seconds between two lines where there is no terminal


class Progress(RichProgressBar):
    """A bar on a terminal, which says what is done and counts from 1; elsewhere a line after each validation, and one
    every 30 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.told = time.monotonic()
        if not Console().is_terminal:
            self.disable()

    @property
    def sanity_check_description(self) -> str:
        """Of the first validation, before any training."""
        return "Trying the validation"

    @property
    def validation_description(self) -> str:
        """Of the others."""
        return "Validating"

    @property
    def test_description(self) -> str:
        """Of a test."""
        return "Testing"

    def _get_train_description(self, current_epoch: int) -> str:
        last = self.trainer.max_epochs
        return f"Training, epoch {current_epoch + 1}" + (f" of {last}" if last and last > 0 else "")

    def tell(self, what: str, now: int, of: float) -> None:
        """Print a line where there is no terminal, and none has been printed for a while."""
        if not self.is_enabled and time.monotonic() - self.told >= EVERY:
            self.told = time.monotonic()
            say(f"{what} {now}{f' of {of:.0f}' if of not in (-1, float('inf')) else ''}")

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        super().on_train_batch_end(trainer, *arguments)
        words = self._get_train_description(trainer.current_epoch)
        self.tell(f"{words}: step", trainer.global_step, trainer.estimated_stepping_batches)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int, loader: int = 0
    ) -> None:
        super().on_validation_batch_end(trainer, module, outputs, batch, index, loader)
        self.tell("Validating: batch", index + 1, trainer.num_val_batches[loader])

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int, loader: int = 0
    ) -> None:
        super().on_test_batch_end(trainer, module, outputs, batch, index, loader)
        self.tell("Testing: batch", index + 1, trainer.num_test_batches[loader])

    def on_validation_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        super().on_validation_end(trainer, *arguments)
        if not self.is_enabled and trainer.state.fn == "fit":
            self.told = time.monotonic()
            scores = ", ".join(f"{k} {v:.4f}" for k, v in trainer.callback_metrics.items() if k != "train/loss_step")
            say(f"step {trainer.global_step} of {trainer.estimated_stepping_batches}: {scores}")
