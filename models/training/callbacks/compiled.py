"""callbacks.compile: training through torch.compile, all else as written."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from models.training.task import Task


class Compiled(Callback):
    """With `compile`, has steps of training call compiled forms of the networks that they train.

    Validations and tests call the networks as they are: their images have other sizes, each of which would be compiled
    anew. Raises ValueError where torch cannot compile.
    """

    def __init__(self, task: Task, compile: bool = False) -> None:
        networks = task.trained() if compile else []
        self.forms = {network: torch.compile(network.forward) for network in networks}

    def on_train_start(self, *_: Any) -> None:
        for network, form in self.forms.items():
            network.forward = form

    def on_train_end(self, *_: Any) -> None:
        for network in self.forms:
            vars(network).pop("forward", None)  # leaves its class's

    def on_validation_start(self, *_: Any) -> None:
        self.on_train_end()

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.state.fn == "fit":
            self.on_train_start()

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        from torch._dynamo.exc import TorchDynamoException  # takes a second to import

        self.on_train_end()
        if isinstance(exception, TorchDynamoException):
            said = str(exception).strip().splitlines()[0]
            raise ValueError(
                f"callbacks.compile=true: torch cannot compile this network ({said}); on a CPU it takes a C++ "
                "compiler; callbacks.compile=false trains without"
            ) from exception
