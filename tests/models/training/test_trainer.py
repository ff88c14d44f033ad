from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

from models.training.callbacks.refuse_divergence import RefuseDivergence


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_diverged_is_stopped_with_what_would_help(value: float) -> None:
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn="fit"),
        strategy=SingleDeviceStrategy(),
        global_step=7,
        callback_metrics={"train/loss": torch.tensor(value)},
    )
    with pytest.raises(ValueError, match=f"training diverged: train/loss is {value} at step 7; lower task.lr"):
        RefuseDivergence().on_validation_start(trainer)  # type: ignore[arg-type]
    trainer.callback_metrics = {"train/loss": torch.tensor(1.0), "val/miou": torch.tensor(float("nan"))}
    RefuseDivergence().on_validation_start(trainer)  # type: ignore[arg-type]  # a class may be absent
