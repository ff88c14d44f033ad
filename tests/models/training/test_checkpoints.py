"""Runs that are interrupted inside an epoch, checkpoints that cannot be written, damaged ones."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.training.callbacks.checkpoints.random_numbers import RandomNumbers
from models.training.checkpoints import WholeFiles, newest
from tests.models.tasks.tiny_runs import EPOCHS, STEPS, assert_same_end, build, train, train_until

BOTH = {"max_epochs": 3, "max_steps": 8}
HALVES = {"max_epochs": 3, "val_check_interval": 2}
ACCUMULATED = {"max_epochs": 3, "accumulate_grad_batches": 2}
CASES = [
    ("segmentation", EPOCHS, 0), ("segmentation", EPOCHS, 2), ("segmentation", STEPS, 0), ("segmentation", BOTH, 0),
    ("segmentation", HALVES, 0), ("segmentation", ACCUMULATED, 0), ("super_resolution", STEPS, 0),
    ("super_resolution", STEPS, 2), ("gan", STEPS, 0), ("gan", STEPS, 2), ("gan", EPOCHS, 0),
    ("segmentation, averaged", EPOCHS, 0), ("segmentation, averaged", ACCUMULATED, 0),
    ("super_resolution, averaged", STEPS, 0), ("gan, of classes", STEPS, 0), ("sngan, of classes", STEPS, 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "workers"), CASES)
def test_a_run_interrupted_before_every_step_ends_as_if_it_never_was(
    kind: str, options: dict[str, Any], workers: int, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    steps = train(build(kind), whole, workers, **options).global_step
    for step in range(1, steps):
        train_until(step, build(kind), parts, workers, **options)
    train(build(kind), parts, workers, **options)
    assert_same_end(whole, parts)


def test_a_checkpoint_that_a_full_disk_refuses_leaves_the_one_before_it(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(build("segmentation"), whole, **EPOCHS)
    train_until(4, build("segmentation"), parts, **EPOCHS)
    before = (parts / "last.ckpt").read_bytes()
    (parts / "last.ckpt.partial").symlink_to("/dev/full")  # where every write ends as on a full disk
    sentence = r"last.ckpt could not be written \(No space left on device\), the one before it is whole"
    with pytest.raises(ValueError, match=sentence):
        train(build("segmentation"), parts, **EPOCHS)
    assert (parts / "last.ckpt").read_bytes() == before
    assert sorted(path.name for path in parts.iterdir()) == ["best.ckpt", "history.csv", "last.ckpt"]
    train(build("segmentation"), parts, **EPOCHS)
    assert_same_end(whole, parts)


def test_truncated_damaged_and_leftover_files_are_not_taken_for_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert newest(tmp_path) is None
    (tmp_path / "last.ckpt.partial").write_bytes(b"half of a checkpoint")
    assert newest(tmp_path) is None
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    WholeFiles().save_checkpoint({"weights": torch.arange(100.0)}, best)
    assert newest(tmp_path) == best
    WholeFiles().save_checkpoint({"weights": torch.arange(1000.0)}, last)
    assert newest(tmp_path) == last
    assert capsys.readouterr().out == ""
    intact = last.read_bytes()
    for length in (0, 1, 100, len(intact) // 2, len(intact) - 1):
        last.write_bytes(intact[:length])
        assert newest(tmp_path) == best
        assert f"{last} is damaged" in capsys.readouterr().out
    flipped = bytearray(intact)
    flipped[len(intact) // 2] ^= 1
    last.write_bytes(flipped)
    assert newest(tmp_path) == best
    assert "its digest is wrong" in capsys.readouterr().out
    best.unlink()
    assert newest(tmp_path) is None


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    np.random.randn(), random.gauss(0, 1)  # leaves one half-used pair of normal numbers in each
    torch.save(RandomNumbers().state_dict(), tmp_path / "state")
    expected = random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand(), torch.rand(3).tolist()
    resumed = RandomNumbers()
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed.on_train_batch_start()
    found = random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand(), torch.rand(3).tolist()
    assert found == expected
    resumed.on_train_batch_start()
    assert random.random() != expected[1]  # once only
