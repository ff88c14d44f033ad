"""What deterministic=true says where torch has no form of an operation that gives the same numbers each time."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

SAID = " does not have a deterministic implementation"


class ExplainDeterministic(Callback):
    """Raises ValueError with the operation, and what would work."""

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        operation, said, _ = str(exception).partition(SAID)
        if said and isinstance(exception, RuntimeError):
            raise ValueError(
                f"deterministic=true: {operation} has no form on {trainer.strategy.root_device.type} that gives the "
                "same numbers each time; choose another upsampler (or loss, if it is the loss's), or set "
                "deterministic=false"
            ) from exception
