"""The running average of a network's weights, against one computed by hand, step by step."""

from pathlib import Path
from typing import Any

import pytest
import torch

from models.training.task import Task
from tests.models.tasks.tiny_runs import EPOCHS, build, train


@pytest.mark.parametrize("kind", ["segmentation", "super_resolution"])
def test_what_is_kept_is_the_average_of_the_weights_after_every_step(kind: str, tmp_path: Path) -> None:
    task = build(f"{kind}, averaged")
    averaged = {key: value.clone() for key, value in task.network.state_dict().items()}
    step = Task.optimizer_step
    count = 0

    def counted(self: Task, *arguments: Any, **options: Any) -> None:
        nonlocal count
        step(self, *arguments, **options)
        decay = min(0.5, (1 + count) / (10 + count))
        count += 1
        for key, value in self.learning.state_dict().items():
            averaged[key] = decay * averaged[key] + (1 - decay) * value if value.is_floating_point() else value.clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "optimizer_step", counted)
        train(task, tmp_path, **EPOCHS)
    assert count > 4
    for key, value in task.network.state_dict().items():
        assert torch.allclose(value, averaged[key], atol=1e-6), key
        if value.ndim > 1:
            assert not torch.equal(value, task.learning.state_dict()[key]), key


def test_the_average_is_what_a_checkpoint_gives_and_the_optimiser_knows_the_other(tmp_path: Path) -> None:
    task = build("segmentation, averaged")
    train(task, tmp_path, **EPOCHS)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert {key.partition(".")[0] for key in stored} >= {"network", "followed"}
    network = {key.removeprefix("network."): value for key, value in stored.items() if key.startswith("network.")}
    assert all(torch.equal(value, task.network.state_dict()[key]) for key, value in network.items())
    learning = {id(p) for p in task.learning.parameters()}
    optimiser = task.optimizers()
    assert {id(p) for group in optimiser.param_groups for p in group["params"]} == learning  # type: ignore[union-attr]


def test_without_an_average_a_checkpoint_is_as_it_always_was() -> None:
    task = build("segmentation")
    assert task.learning is task.network
    assert not any(key.startswith("followed") for key in task.state_dict())
