"""The end of a training whose loss is no number."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from models.training.callbacks.nan_guard import OnNaN


class RefuseDivergence(Callback):
    """Stops a training that has diverged, unless `on_nan` says to go on: a score of weights that are no numbers would
    still look like one."""

    def __init__(self, on_nan: OnNaN = "stop") -> None:
        self.on_nan = on_nan

    def on_validation_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.state.fn != "fit" or self.on_nan != "stop":
            return
        losses = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("train/")}
        diverged = [f"{key} is {value.item()}" for key, value in losses.items() if not value.isfinite()]
        # Together, as a process that stopped alone would leave the others waiting.
        if trainer.strategy.reduce_boolean_decision(bool(diverged), all=False):
            raise ValueError(
                f"training diverged: {', '.join(diverged) or 'another process'} at step {trainer.global_step}; "
                "lower task.lr, or clip gradients with +trainer.gradient_clip_val=1"
            )
