"""Validations and tests whose outputs are no numbers."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from models.training.task import Task
from plumbing.messages import printable


class FiniteOutputs(Callback):
    """Refuses a validation or test in which the network gave NaN or infinity: the class or the grey value that becomes
    of them is one like any other, and so would the score be.

    Whether it did is kept on the device and read once, when the last batch is through.
    """

    def __init__(self, task: Task) -> None:
        self.network = task.network
        self.hook: RemovableHandle | None = None
        self.names: list[str] = []  # of the images of each batch
        self.first = torch.tensor(-1)  # batch that went bad

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._watch(task)

    def on_test_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._watch(task)

    def on_validation_batch_start(self, _: Any, __: Any, batch: dict[str, Any], *___: Any) -> None:
        self.names.append(", ".join(batch["name"]))

    def on_test_batch_start(self, _: Any, __: Any, batch: dict[str, Any], *___: Any) -> None:
        self.names.append(", ".join(batch["name"]))

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._refuse(trainer)

    def on_test_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._refuse(trainer)

    def _watch(self, task: pl.LightningModule) -> None:
        self.names, self.first = [], torch.tensor(-1, device=task.device)
        used = self.network.get_submodule(getattr(self.network, "used", ""))
        self.hook = used.register_forward_hook(self._look)

    def _look(self, _: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            fresh = ~output.isfinite().all() & (self.first < 0)
            self.first = torch.where(fresh, max(len(self.names) - 1, 0), self.first)

    def _refuse(self, trainer: pl.Trainer) -> None:
        assert self.hook is not None  # `_watch` came before
        self.hook.remove()
        first = int(self.first)
        # Together, as a process that stopped alone would leave the others waiting.
        if not trainer.strategy.reduce_boolean_decision(first >= 0, all=False):
            return
        where = f", first on {printable(self.names[first])}" if 0 <= first < len(self.names) else ""
        raise ValueError(
            f"the network gave NaN or infinity{where}, with its weights after step {trainer.global_step}, so it has no "
            "score; a lower task.lr or trainer.precision=32-true may mend it in a run of its own"
        )
