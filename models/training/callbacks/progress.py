"""How far a training is, on a terminal and elsewhere."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Console


class Progress(RichProgressBar):
    """A bar on a terminal; elsewhere a line after each validation."""

    def __init__(self) -> None:
        super().__init__()
        if not Console().is_terminal:
            self.disable()

    def on_validation_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        super().on_validation_end(trainer, *arguments)
        if not self.is_enabled and trainer.state.fn == "fit":
            scores = ", ".join(f"{k} {v:.4f}" for k, v in trainer.callback_metrics.items() if k != "train/loss_step")
            print(f"step {trainer.global_step} of {trainer.estimated_stepping_batches}: {scores}", flush=True)
