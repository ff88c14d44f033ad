"""What a training takes: seconds of a step, and seconds and memory of all its starts together."""

import time
from collections import deque
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from models.training.memory import peak_memory_mb

KEPT = 1000  # steps, the last ones, of which the median is taken


class StepClock(Callback):
    """Times training steps, data loading included, and the run. Checkpoints keep both, so that a resumed run counts
    what its earlier starts took up to the checkpoint it goes on from.

    started  when this start of the run began, as time.perf_counter() has it
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.steps: deque[float] = deque(maxlen=KEPT)
        self.previous: float | None = None
        self.before, self.peak_before = 0.0, 0.0  # of earlier starts
        self.training = False

    def on_train_start(self, *_: Any) -> None:
        self.training = True

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        if self.previous is not None:
            self.steps.append(now - self.previous)
        self.previous = now

    def on_validation_start(self, *_: Any) -> None:
        self.previous = None

    def median(self) -> float:
        """Seconds of the median step, NaN before the second one."""
        return torch.tensor(self.steps).median().item() if self.steps else float("nan")

    def seconds(self) -> float:
        """Seconds of all starts of the run so far."""
        return self.before + time.perf_counter() - self.started

    def peak_memory_mb(self) -> float:
        """The largest peak of all starts of the run so far, in MB."""
        return max(self.peak_before, peak_memory_mb())

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds(), "peak_memory_mb": self.peak_memory_mb(), "steps": list(self.steps)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.training:  # best.ckpt, loaded for the test: its seconds are of this start
            return
        self.before, self.peak_before = state["seconds"], state["peak_memory_mb"]
        self.steps.extend(state["steps"])


def clock_of(trainer: pl.Trainer) -> StepClock:
    """The clock of a trainer of `build_trainer`."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning declares none
    return next(callback for callback in callbacks if isinstance(callback, StepClock))
