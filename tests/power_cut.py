"""A training that ends in the middle, as by a power cut."""

from collections.abc import Callable
from typing import Any

import pytest

from models.training.task import Task


def cut(monkeypatch: pytest.MonkeyPatch, kind: type[Task], at: int, start: Callable[[], Any]) -> None:
    """Start a training of a kind of task that fails at step `at`, counted from 0; steps are whole again afterwards."""
    step = kind.training_step

    def failing(self: Task, batch: dict[str, Any], index: int) -> Any:
        if self.trainer.global_step == at:
            raise RuntimeError("the power went out")
        return step(self, batch, index)

    monkeypatch.setattr(kind, "training_step", failing)
    with pytest.raises(RuntimeError, match="the power went out"):
        start()
    monkeypatch.setattr(kind, "training_step", step)
