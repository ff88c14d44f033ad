"""deterministic=true, on a CPU; what differs on CUDA is torch's own list."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import train
from models.tasks.segmentation.losses import cross_entropy
from models.tasks.segmentation.task import Segmentation
from tests.models.tasks.tiny_runs import EPOCHS, build
from tests.models.tasks.tiny_runs import train as train_tiny
from tests.tiny import TINY, configuration


@pytest.fixture(autouse=True)
def undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch's switch holds for the whole process, as does the variable that Lightning sets for cuBLAS."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    yield
    torch.use_deterministic_algorithms(False)


def test_two_runs_end_with_the_same_weights_under_torchs_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = Segmentation.training_step, []

    def watched(self: Segmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        seen.append((torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark))
        return step(self, batch, index)

    monkeypatch.setattr(Segmentation, "training_step", watched)
    config = configuration(*TINY, "trainer.max_epochs=1", "deterministic=true")
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
    first, second = (train.run(config, tmp_path / name) for name in ("1", "2"))
    assert seen == [(True, False)] * 4
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert first["test/miou"] == second["test/miou"]
    one, other = (torch.load(tmp_path / n / "last.ckpt", weights_only=True)["state_dict"] for n in ("1", "2"))
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_an_operation_without_a_deterministic_form_is_named(tmp_path: Path) -> None:
    task = build("segmentation")
    # One of the few that torch refuses on a CPU, too.
    task.on_train_batch_start = lambda *_: torch.zeros(2).put_(torch.tensor([0]), torch.ones(1)) and None
    with pytest.raises(
        ValueError, match=r"^deterministic=true: put_ has no form on cpu .* or set deterministic=false$"
    ):
        train_tiny(task, tmp_path, deterministic=True, **EPOCHS)


class Reductions(TorchDispatchMode):
    """How the two-dimensional losses were reduced: 0 none, 1 mean, 2 sum."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name() == "aten::nll_loss2d_forward":
            self.seen.append(args[3])
        return func(*args, **(kwargs or {}))


def test_cross_entropy_takes_the_form_that_cuda_has_a_deterministic_one_of() -> None:
    """torch's nll_loss2d refuses on CUDA to add up (aten/src/ATen/native/cuda/NLLLoss2d.cu), and takes none."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=random, dtype=torch.float64)
    target = torch.randint(4, (2, 8, 8), generator=random)
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    usual = cross_entropy(logits, target, weights, ignore_index=3)
    torch.use_deterministic_algorithms(True)
    with Reductions() as reductions:
        assert torch.allclose(cross_entropy(logits, target, weights, ignore_index=3), usual, rtol=1e-12)
    assert reductions.seen == [0]
