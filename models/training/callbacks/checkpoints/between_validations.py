"""Checkpoints between validations."""

import time
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from plumbing.messages import say
from plumbing.options import Range


class BetweenValidations(Callback):
    """Writes last.ckpt every `checkpoint_minutes`, 0: after each step. Validations write it, too, which is not
    counted.

    Not after a step that a validation or the end of the epoch follows, since Lightning would not make up for them, nor
    while gradients accumulate, which are kept nowhere; then after the next one.
    """

    def __init__(self, folder: Path, checkpoint_minutes: Annotated[float, Range(0)] = 5) -> None:
        self.path, self.seconds, self.written, self.saved_step = folder / "last.ckpt", 60 * checkpoint_minutes, 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.written = time.monotonic()
        # Lightning hands a loader its state only where it is made after the loops have theirs; a schedule that asks
        # for the number of steps has it made before.
        trainer.fit_loop._load_combined_loader_states()
        if trainer.global_step:
            say(f"Continuing after step {trainer.global_step}")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        assert trainer.fit_loop._data_fetcher is not None
        followed = loop._num_ready_batches_reached() or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
        due = time.monotonic() - self.written >= self.seconds and not followed and not loop._should_accumulate()
        if trainer.strategy.reduce_boolean_decision(due):  # ranks save together, though their clocks differ
            trainer.save_checkpoint(self.path)
            self.written, self.saved_step = time.monotonic(), trainer.global_step
