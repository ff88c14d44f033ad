"""Numbers that go bad: the step is not applied, and the run ends, or goes on, with what to look at."""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from plumbing.messages import say

EVERY = 8  # steps between two looks at the device; the batches of so many are kept to be named
OnNaN = Literal["stop", "skip", "lower_lr"]


class NaNGuard(Callback):
    """Applies no step whose gradient holds NaN or infinity, and does what `on_nan` says.

    stop      applies nothing after it either, and raises ValueError soon
    skip      goes on without it; the layers' running statistics are put back, too
    lower_lr  likewise, at half the learning rate from the next look on
    Where nothing but such steps came between two looks, these raise as well.

    Whether a gradient is finite is known on the device alone, where the fused optimisers leave weights and moments as
    they are (`found_inf`, as a gradient scaler has it). It is read every few steps; to stop, also before a checkpoint
    is written, so that there is none of weights that went bad. Under 16-mixed the scaler skips steps, and nothing is
    left to do.
    """

    def __init__(self, folder: Path, on_nan: OnNaN = "stop") -> None:
        self.last, self.on_nan = folder / "last.ckpt", on_nan
        self.recent: deque[tuple[int, dict[str, Any], int]] = deque()
        # Of the step at hand; all so far; the first since the last look, -1 for none. `told` of them were known then.
        self.bad, self.count, self.first = torch.tensor(False), torch.tensor(0), torch.tensor(-1)
        self.told = 0
        self.masked = self.stepped = False
        self.before: list[Tensor] = []  # the task's buffers before the step at hand

    def state_dict(self) -> dict[str, int]:
        return {"count": int(self.count), "first": int(self.first), "told": self.told}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count, self.first = torch.tensor(state["count"]), torch.tensor(state["first"])
        self.told = state["told"]

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.bad, self.count, self.first = (x.to(task.device) for x in (self.bad, self.count, self.first))
        self.recent = deque(maxlen=EVERY * trainer.accumulate_grad_batches)
        self.masked = getattr(trainer.precision_plugin, "scaler", None) is None
        if not self.masked and self.on_nan != "stop":
            raise ValueError(
                f"callbacks.on_nan={self.on_nan} is for precisions without a gradient scaler; under "
                f"trainer.precision={trainer.precision} it skips such steps itself: set callbacks.on_nan=stop"
            )
        if not task.automatic_optimization and self.masked:
            for optimiser in trainer.optimizers:
                optimiser.register_step_pre_hook(lambda each, *_: self._mask(each))

    def on_train_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, batch: dict[str, Any], index: int
    ) -> None:
        self.recent.append((trainer.global_step, batch, index))
        if self.on_nan != "stop" and not self.before:
            self.before = [buffer.clone() for buffer in task.buffers()]

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        if task.automatic_optimization and self.masked:
            self._mask(optimizer)

    def _mask(self, optimiser: Optimizer) -> None:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        bad = ~torch.nn.utils.get_total_norm(gradients).isfinite()
        self.bad, self.stepped = self.bad | bad, True
        masked = self.bad | (self.first >= 0) if self.on_nan == "stop" else bad
        optimiser.found_inf = masked.float()  # type: ignore[attr-defined]  # the fused ones look for it

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, *_: Any) -> None:
        if not self.stepped:  # gradients accumulate
            return
        self.count = self.count + self.bad
        self.first = torch.where((self.first < 0) & self.bad, self.recent[-1][0], self.first)
        for buffer, before in zip(task.buffers(), self.before, strict=False):
            buffer.copy_(torch.where(self.bad, before, buffer))
        self.bad, self.stepped, self.before = torch.zeros_like(self.bad), False, []
        if trainer.global_step % EVERY == 0:
            self._look(trainer, task)

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.on_nan == "stop":
            self._look(trainer, task)

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and self.on_nan == "stop":
            self._look(trainer, task)

    def _look(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        step, count = int(self.first), int(self.count)
        if step < 0:
            return
        fresh, self.told = count - self.told, count
        batches = [(batch, index) for at, batch, index in self.recent if at == step]  # several, where accumulated
        if self.on_nan == "stop" or fresh == EVERY:
            raise ValueError(self._refusal(step, fresh, culprit(trainer, task, batches)))
        self.first = torch.full_like(self.first, -1)
        done = "skipped"
        if self.on_nan == "lower_lr":
            halve(trainer)
            done = "skipped, and the learning rate is halved"
        names = ", ".join(name for batch, _ in batches for name in batch["name"])
        say(f"Step {step + 1} gave numbers that are not finite, on the images {names}: {done} ({count} so far)")

    def _refusal(self, step: int, fresh: int, found: tuple[str, str]) -> str:
        where, names = found
        others = f", nor were the {fresh - 1} after it" if self.on_nan != "stop" else ""
        kept = f"{self.last} keeps an earlier one" if self.last.exists() else "there is no checkpoint yet"
        return (
            f"step {step + 1} gave numbers that are not finite, first in {where}, on the images {names}; it was not "
            f"applied{others}, and {kept}; look at these images, lower task.lr, or clip gradients with "
            "+trainer.gradient_clip_val=1"
        )


def halve(trainer: pl.Trainer) -> None:
    """Halve the learning rates of all optimisers and what their schedules make them of; checkpoints keep both."""
    for optimiser in trainer.optimizers:
        for group in optimiser.param_groups:
            for key in ("lr", "initial_lr", "max_lr", "min_lr"):
                if key in group:
                    group[key] /= 2
    for config in trainer.lr_scheduler_configs:
        config.scheduler.base_lrs = [rate / 2 for rate in config.scheduler.base_lrs]  # type: ignore[union-attr]  # all of ours have


def culprit(
    trainer: pl.Trainer, task: pl.LightningModule, batches: list[tuple[dict[str, Any], int]]
) -> tuple[str, str]:
    """Where a masked step first went bad and the names of the images it went bad on, of all processes' batches."""
    found = [(origin(trainer, task, *each), ", ".join(each[0]["name"])) for each in batches]
    if trainer.world_size > 1:  # of which one may have seen what went bad
        everyone: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everyone, found)
        found = [each for their in everyone for each in their]
    named = [(where, names) for where, names in found if where]
    return named[0] if named else ("a gradient", "; ".join(names for _, names in found))


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
    # A compiled form would not see the hooks.
    eager = torch.compiler.set_stance("force_eager")
    with eager, torch.enable_grad(), trainer.precision_plugin.train_step_context():
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
