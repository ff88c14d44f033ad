"""Numbers that go bad: the step is not applied, and the run ends with what to look at."""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

EVERY = 8  # steps between two looks at the device; the batches of so many are kept to be named


class StopOnNaN(Callback):
    """Applies no step whose gradient holds NaN or infinity, nor any after it, and raises ValueError soon.

    Whether a gradient is finite is known on the device alone, where the fused optimisers leave weights and moments as
    they are (`found_inf`, as a gradient scaler has it). It is read every few steps, and before a checkpoint is
    written, so that there is none of weights that went bad. Under 16-mixed, whose scaler skips steps, it does nothing.
    """

    def __init__(self, last: Path) -> None:
        self.last = last
        self.recent: deque[tuple[int, dict[str, Any], int]] = deque()
        self.bad_step = torch.tensor(-1)
        self.masked = False

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.bad_step = torch.tensor(-1, device=task.device)
        self.recent = deque(maxlen=EVERY * trainer.accumulate_grad_batches)
        self.masked = getattr(trainer.precision_plugin, "scaler", None) is None
        if not task.automatic_optimization and self.masked:
            for optimiser in trainer.optimizers:
                optimiser.register_step_pre_hook(lambda each, *_: self._mask(each, trainer.global_step))

    def on_train_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, batch: dict[str, Any], index: int
    ) -> None:
        self.recent.append((trainer.global_step, batch, index))

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        if task.automatic_optimization and self.masked:
            self._mask(optimizer, trainer.global_step)

    def _mask(self, optimiser: Optimizer, step: int) -> None:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        bad = ~torch.nn.utils.get_total_norm(gradients).isfinite()
        self.bad_step = torch.where((self.bad_step < 0) & bad, step, self.bad_step)
        optimiser.found_inf = (self.bad_step >= 0).float()  # type: ignore[attr-defined]

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % EVERY == 0:
            self._look(trainer, task)

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._look(trainer, task)

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._look(trainer, task)

    def _look(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        step = int(self.bad_step)
        if step < 0:
            return
        batches = [(batch, index) for at, batch, index in self.recent if at == step]  # several, where accumulated
        found = [(origin(trainer, task, *each), ", ".join(each[0]["name"])) for each in batches]
        if trainer.world_size > 1:  # of which one may have seen what went bad
            everyone: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(everyone, found)
            found = [each for their in everyone for each in their]
        where, names = next(((where, names) for where, names in found if where), ("a gradient", found[0][1]))
        kept = f"{self.last} keeps an earlier one" if self.last.exists() else "there is no checkpoint yet"
        raise ValueError(
            f"step {step + 1} gave numbers that are not finite, first in {where}, on the images {names}; it was not "
            f"applied, and {kept}; look at these images, lower task.lr, or clip gradients with "
            "+trainer.gradient_clip_val=1"
        )


def tensors(value: Any) -> Iterable[Tensor]:
    """The tensors that a module gave."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)


def origin(trainer: pl.Trainer, task: pl.LightningModule, batch: dict[str, Any], index: int) -> str | None:
    """Repeat a step whose update is masked, and name the first module whose output is not finite; else the loss, or
    the parameter nearest to it whose gradient is not; None where all are."""
    found: list[str] = []

    def watch(name: str, module: nn.Module) -> Any:
        def look(_: nn.Module, __: Any, output: Any) -> None:
            if not found and not all(bool(x.isfinite().all()) for x in tensors(output) if x.is_floating_point()):
                found.append(name)

        return module.register_forward_hook(look)

    handles = [watch(name, module) for name, module in task.named_modules() if name]
    task.log = task.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # this is no score
    task.train()
    task.zero_grad()
    with torch.enable_grad(), trainer.precision_plugin.train_step_context():
        loss = task.training_step(batch, index)
        if isinstance(loss, Tensor):
            if not found and not loss.isfinite():
                found.append("the loss")
            loss.backward()
    for handle in handles:
        handle.remove()
    gradients = [(name, p.grad) for name, p in task.named_parameters() if p.grad is not None]
    bad = [f"the gradient of {name}" for name, each in gradients if not each.isfinite().all()]
    return next(iter([*found, *bad[::-1]]), None)
