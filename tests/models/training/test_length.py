"""How long a training is where that is left to the data, and what is said of one below its baseline."""

from pathlib import Path

import pytest

from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import Loaded
from models.training import length
from models.training.trainer import build_trainer, fit
from tests.models.tasks.tiny_runs import INFO, Noise, build


def data_of(samples: int, batch_size: int) -> DataModule:
    parts = Noise(samples), Noise(4), Noise(4)
    return DataModule(Loaded(INFO, *parts, augment=Augment({}, 32), batch_size=batch_size, seed=0))


AUTO = {"max_epochs": None, "min_epochs": 4, "max_steps": -1}


@pytest.mark.parametrize(
    ("samples", "batch", "options", "epochs", "every"),
    [
        (16, 8, AUTO, 500, 20),  # two steps an epoch
        (340, 8, AUTO, 24, 1),
        (340, 1, AUTO, 4, 1),  # which hold 1360 steps
        (2000, 8, AUTO, None, None),  # not few: min_epochs
        (16, 8, AUTO | {"max_epochs": 3}, 3, None),
        (16, 8, AUTO | {"max_steps": 50}, None, None),
        (16, 8, AUTO | {"limit_train_batches": 1}, 1000, 40),
        (16, 8, AUTO | {"check_val_every_n_epoch": 7}, 500, 7),
    ],
)
def test_few_samples_are_trained_on_for_a_thousand_steps(
    samples: int, batch: int, options: dict, epochs: int | None, every: int | None
) -> None:
    found, switches, notes = length.decided(options, {"patience": "auto"}, data_of(samples, batch))
    assert (found["max_epochs"], found.get("check_val_every_n_epoch")) == (epochs, every)
    few = options["max_epochs"] is None and options["max_steps"] == -1 and samples < 1000
    assert switches["patience"] == (length.PATIENCE if few else None)
    assert bool(notes) == few


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path) -> None:
    task, module = build("segmentation"), data_of(8, 4)
    task.lr = 0.0
    options = {"accelerator": "cpu", "precision": "32-true", "max_epochs": 50}
    trainer = build_trainer(options, tmp_path, task, switches={"patience": 3})
    fit(trainer, task, module, tmp_path)
    assert trainer.current_epoch == 4  # the first validation is the best


def test_min_epochs_is_the_length_where_no_other_is_given(tmp_path: Path) -> None:
    task = build("segmentation")
    options = {"accelerator": "cpu", "precision": "32-true"}
    assert build_trainer(options | AUTO, tmp_path, task).max_epochs == 4
    assert build_trainer(options | AUTO | {"max_epochs": 2}, tmp_path, task).max_epochs == 2
    trainer = build_trainer(options | AUTO | {"max_steps": 9}, tmp_path, task)
    assert (trainer.max_epochs, trainer.max_steps) == (-1, 9)


def test_a_score_below_its_baseline_is_said_with_what_to_try() -> None:
    (told,) = length.below_baseline({"test/miou": 0.41, "baseline": "colour table", "baseline/miou": 0.52})
    assert told.startswith("test/miou is 0.41, below the 0.52 of the colour table: the network has not learnt")
    assert length.below_baseline({"test/miou": 0.6, "baseline": "colour table", "baseline/miou": 0.52}) == []
    assert length.below_baseline({"test/miou": 0.6}) == []
    assert "data.balance" in told
    scores = {"test/psnr_y": 23.87, "test/ssim_y": 0.7071, "baseline": "bicubic"}
    (told,) = length.below_baseline(scores | {"baseline/psnr_y": 28.755, "baseline/ssim_y": 0.8482})
    assert told.startswith(
        "test/psnr_y is 23.87, below the 28.75 of the bicubic; test/ssim_y is 0.7071, below the 0.84"
    )
    assert "data.balance" not in told  # which a task without classes has no use for
