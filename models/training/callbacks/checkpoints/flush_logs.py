"""A log that holds all that a checkpoint continues after."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class FlushLogs(Callback):
    """Has the log hold all that a checkpoint continues after, so that a run that is killed leaves no gap in it."""

    def on_save_checkpoint(self, trainer: pl.Trainer, *_: Any) -> None:
        for logger in trainer.loggers:
            logger.save()
