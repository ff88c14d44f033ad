"""Weights that are numbers, and outputs that are none: a validation, a test, a precision that overflows."""

from pathlib import Path

import pytest
from torch import Tensor, nn

from models.training.checkpoint_file import load
from tests.models.tasks.tiny_runs import EPOCHS, build, train


class BadInEvaluation(nn.Module):
    """Gives numbers in training, and in evaluation what `value` says for one image of each set."""

    normalisation, period = None, 1

    def __init__(self, value: float, layer: nn.Module) -> None:
        super().__init__()
        self.value, self.layer, self.seen = value, layer, 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        if not self.training:
            self.seen += 1
            if self.seen > 2:  # of the third validation
                y = y.clone()
                y[-1, 0, 0, 0] = self.value
        return y


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", ["segmentation", "super_resolution"])
def test_a_validation_without_numbers_ends_the_run_though_training_has_some(
    kind: str, value: float, tmp_path: Path
) -> None:
    """One value of one image: its class, or grey, would be as any other, and the mean hardly another."""
    task = build(kind)
    task.network = BadInEvaluation(value, task.network)
    sentence = r"the network gave NaN or infinity, first on 0, 1, 2, 3, with its weights after step 9, so it has no"
    with pytest.raises(ValueError, match=sentence) as error:
        train(task, tmp_path, **EPOCHS)
    assert "\n" not in str(error.value)
    assert load(tmp_path / "best.ckpt")["global_step"] <= 6
