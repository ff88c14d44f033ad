"""Switches of Lightning's that would end without a result are refused in a sentence before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import Loaded
from models.training.trainer import build_trainer, fit, refuse_switches
from tests.models.tasks.tiny_runs import INFO, Noise, build

PLAIN: dict[str, Any] = {"accelerator": "cpu", "precision": "32-true", "max_epochs": 3}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fast_dev_run": True}, "trainer.fast_dev_run keeps no checkpoint or .* write .trainer.limit_train_batches=2"),
        ({"overfit_batches": 1}, "trainer.overfit_batches keeps no checkpoint or no order of samples"),
        ({"overfit_batches": 0.5}, "trainer.overfit_batches keeps"),
        ({"limit_val_batches": 0}, "trainer.limit_val_batches=0 leaves nothing to score; choose 1 or more"),
        ({"limit_val_batches": 0.0}, r"trainer.limit_val_batches=0\.0 leaves nothing"),
        ({"limit_test_batches": 0}, "trainer.limit_test_batches=0 leaves nothing"),
        ({"limit_train_batches": 0}, "trainer.limit_train_batches=0 leaves nothing"),
        ({"max_epochs": 0}, "trainer.max_epochs=0 leaves nothing"),
        ({"max_steps": 0}, "trainer.max_steps=0 leaves nothing"),
        (
            {"check_val_every_n_epoch": 4},
            "trainer.check_val_every_n_epoch=4 is beyond trainer.max_epochs=3",
        ),
    ],
)
def test_what_leaves_nothing_to_score_is_refused(change: dict[str, Any], sentence: str) -> None:
    refuse_switches(PLAIN)
    with pytest.raises(ValueError, match=sentence):
        refuse_switches(PLAIN | change)


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "64-true", "64", 64, "transformer-engine", "8", None])
def test_a_precision_that_tasks_do_not_compute_in_is_refused(precision: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trainer.precision (is '.*', which does not exist|must be auto or 32-true)"):
        build_trainer(PLAIN | {"precision": precision}, tmp_path, build("segmentation"))


@pytest.mark.parametrize("precision", ["auto", "32-true", "32", 32, "bf16-mixed", "bf16", "16-mixed", "16", 16])
def test_every_other_precision_trains(precision: Any, tmp_path: Path) -> None:
    task = build("segmentation")
    data = DataModule(Loaded(INFO, Noise(4), Noise(2), Noise(2), augment=Augment({}, 32), batch_size=2, seed=0))
    trainer = build_trainer(PLAIN | {"precision": precision, "max_epochs": 1}, tmp_path, task)
    fit(trainer, task, data, tmp_path)
    assert (tmp_path / "best.ckpt").exists()


def test_a_norm_over_one_value_is_told_of_with_the_mend(tmp_path: Path) -> None:
    task = build("segmentation")

    def forward(image: torch.Tensor) -> torch.Tensor:
        return torch.nn.BatchNorm2d(3)(image[:1, :1, :1, :1].float().expand(1, 3, 1, 1))

    task.forward = forward
    data = DataModule(Loaded(INFO, Noise(4), Noise(2), Noise(2), augment=Augment({}, 32), batch_size=1, seed=0))
    with pytest.raises(ValueError, match=r"data.batch_size=1 gives a BatchNorm of the network one value .* choose 2"):
        fit(build_trainer(PLAIN, tmp_path, task), task, data, tmp_path)
