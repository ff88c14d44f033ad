"""A validation of the weights that a run ends with."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class ValidateLastStep(Callback):
    """Has the weights validated where max_steps ends a run inside an epoch; Lightning would leave them unseen."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step == trainer.max_steps
