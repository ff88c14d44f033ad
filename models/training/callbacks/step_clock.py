"""How long a step of training takes."""

import time
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback


class StepClock(Callback):
    """Times training steps, data loading included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.previous: float | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        if self.previous is not None:
            self.seconds.append(now - self.previous)
        self.previous = now

    def on_validation_start(self, *_: Any) -> None:
        self.previous = None

    def median(self) -> float:
        """Seconds of the median step, NaN before the second one."""
        return torch.tensor(self.seconds).median().item() if self.seconds else float("nan")
