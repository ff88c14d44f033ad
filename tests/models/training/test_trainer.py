from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

from models.training.callbacks.refuse_divergence import RefuseDivergence
from models.training.trainer import refuse_switches
from tests.models.tasks.tiny_runs import build, train


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_diverged_is_stopped_with_what_would_help(value: float) -> None:
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn="fit"),
        strategy=SingleDeviceStrategy(),
        global_step=7,
        callback_metrics={"train/loss": torch.tensor(value)},
    )
    with pytest.raises(ValueError, match=f"training diverged: train/loss is {value} at step 7; lower task.lr"):
        RefuseDivergence().on_validation_start(trainer)
    trainer.callback_metrics = {"train/loss": torch.tensor(1.0), "val/miou": torch.tensor(float("nan"))}
    RefuseDivergence().on_validation_start(trainer)


@pytest.mark.parametrize("options", [
    {"max_epochs": 3}, {"max_epochs": 3, "check_val_every_n_epoch": 3}, {"max_epochs": -1, "max_steps": 5},
    {"max_epochs": -1, "max_steps": 5, "check_val_every_n_epoch": None, "val_check_interval": 2},
])  # fmt: skip
def test_what_can_end_in_a_checkpoint_is_not_refused(options: dict[str, Any]) -> None:
    refuse_switches(options)


def test_what_lightning_refuses_when_it_starts_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Lightning refuses trainer: .*limit_val_batches"):
        train(build("segmentation"), tmp_path, max_epochs=1, limit_val_batches=0.01)
