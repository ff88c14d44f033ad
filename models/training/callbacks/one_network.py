"""One network in several processes."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class OneNetwork(Callback):
    """Has all processes validate the network that the first will save: BatchNorm's statistics differ between them."""

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            for buffer in task.buffers():
                torch.distributed.broadcast(buffer, 0)
