"""Numbers that grow beyond bfloat16, whose largest is 3.4e38: in training, and in validations alone."""

from pathlib import Path

import pytest
from torch import Tensor, nn

from models.training.checkpoint_file import load
from tests.models.tasks.tiny_runs import EPOCHS, build, train


class Growing(nn.Module):
    """From its third pass on, in training or in evaluation, gives 1e30 times what its layer does, twice."""

    normalisation, period = None, 1

    def __init__(self, layer: nn.Module, training: bool) -> None:
        super().__init__()
        self.layer, self.stage, self.seen = layer, training, 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        self.seen += self.training == self.stage
        return y * 1e30 * 1e30 if self.training == self.stage and self.seen > 2 else y


@pytest.mark.parametrize(("training", "sentence"), [
    (True, "step 3 gave numbers that are not finite, first in "),
    (False, "the network gave NaN or infinity, first on "),
])  # fmt: skip
def test_an_overflow_ends_the_run_before_a_checkpoint_of_it(training: bool, sentence: str, tmp_path: Path) -> None:
    task = build("segmentation")
    task.network = Growing(task.network, training)
    with pytest.raises(ValueError, match=sentence):
        train(task, tmp_path, precision="bf16-mixed", **EPOCHS)
    stored = load(tmp_path / "last.ckpt")["state_dict"]
    assert all(value.isfinite().all() for value in stored.values())
