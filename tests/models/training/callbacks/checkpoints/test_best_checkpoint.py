"""The best score and best.ckpt belong to the folder, wherever it lies by now."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.tasks.costs import incidents
from models.training.checkpoint_file import load
from models.training.task import Task
from models.training.trainer import best_score
from tests.models.tasks.tiny_runs import EPOCHS, STEPS, assert_same_end, build, train, train_until

SCORES = {3: 0.7, 6: 0.5, 9: 0.6}  # by the step of a validation: the first is the best


def scored(scores: dict[int, float]) -> Task:
    """A segmentation whose validations score as they are told to."""
    task = build("segmentation")

    def on_validation_epoch_end() -> None:
        task.log("val/miou", torch.tensor(scores[task.trainer.global_step]))

    task.on_validation_epoch_end = on_validation_epoch_end
    return task


def weights(path: Path) -> dict[str, Tensor]:
    return load(path)["state_dict"]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
@pytest.mark.parametrize("step", [4, 7])
def test_a_folder_that_was_moved_or_copied_keeps_its_best(move: Any, step: int, tmp_path: Path) -> None:
    here, there, whole = tmp_path / "here", tmp_path / "else" / "where", tmp_path / "whole"
    train(scored(SCORES), whole, **EPOCHS)
    train_until(step, scored(SCORES), here, **EPOCHS)
    best = weights(here / "best.ckpt")
    there.parent.mkdir()
    move(here, there)
    before = (here / "best.ckpt").read_bytes() if here.exists() else None
    running = train(scored(SCORES), there, **EPOCHS)
    assert best_score(running) == pytest.approx(0.7)
    assert same(weights(there / "best.ckpt"), best)
    assert incidents(running) == {}
    assert_same_end(whole, there)
    assert same(weights(whole / "best.ckpt"), best)
    if before is not None:  # the one it was copied from is left alone
        assert (here / "best.ckpt").read_bytes() == before


def test_a_folder_that_was_moved_after_its_last_step_still_ends(tmp_path: Path) -> None:
    train(scored(SCORES), tmp_path / "here", **EPOCHS)
    (tmp_path / "here").rename(tmp_path / "there")
    assert best_score(train(scored(SCORES), tmp_path / "there", **EPOCHS)) == pytest.approx(0.7)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_content(path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, path)


@pytest.mark.parametrize(("break_it", "reason"), [
    (Path.unlink, "best.ckpt is missing"), (damaged, "best.ckpt is damaged"), (other_content, "does not say what it"),
])  # fmt: skip
def test_where_best_is_lost_a_later_one_takes_its_place_and_the_run_says_so(
    break_it: Any, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    train_until(7, scored(SCORES), tmp_path, **EPOCHS)
    break_it(tmp_path / "best.ckpt")
    running = train(scored(SCORES), tmp_path, **EPOCHS)
    assert best_score(running) == pytest.approx(0.6)
    assert same(weights(tmp_path / "best.ckpt"), weights(tmp_path / "last.ckpt"))
    (sentence,) = incidents(running)["warnings"]
    assert reason in sentence
    assert sentence.endswith(": the best of the validations still to come, or else the last weights, take its place")
    assert sentence in capsys.readouterr().out


def test_where_best_is_lost_after_the_last_step_the_last_weights_are_scored(tmp_path: Path) -> None:
    train(scored(SCORES), tmp_path, **EPOCHS)
    damaged(tmp_path / "best.ckpt")
    running = train(scored(SCORES), tmp_path, **EPOCHS)
    assert best_score(running) == pytest.approx(0.6)
    stored = load(tmp_path / "best.ckpt")
    assert same(stored["state_dict"], weights(tmp_path / "last.ckpt"))
    assert stored["optimizer_states"]  # a run could go on from it
    assert best_score(train(scored(SCORES), tmp_path, **EPOCHS)) == pytest.approx(0.6)


def test_what_last_says_of_best_is_not_believed(tmp_path: Path) -> None:
    """best.ckpt is newer than last.ckpt where the run was killed between the two."""
    rising = {3: 0.5, 6: 0.6, 9: 0.55}
    train_until(5, scored(rising), tmp_path, **EPOCHS)
    last = (tmp_path / "last.ckpt").read_bytes()
    train_until(7, scored(rising), tmp_path, **EPOCHS)
    (tmp_path / "last.ckpt").write_bytes(last)
    best = weights(tmp_path / "best.ckpt")
    lower = rising | {6: 0.59}  # as on a device that adds up in another order
    assert best_score(train(scored(lower), tmp_path, **EPOCHS)) == pytest.approx(0.6)
    assert same(weights(tmp_path / "best.ckpt"), best)


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    running = train(scored({3: float("nan"), 6: 0.2, 9: float("nan")}), tmp_path, **EPOCHS)
    assert best_score(running) == pytest.approx(0.2)
    assert load(tmp_path / "best.ckpt")["global_step"] == 6


def test_a_training_that_ends_before_its_first_validation_is_validated_once(tmp_path: Path) -> None:
    running = train(build("segmentation"), tmp_path, **STEPS | {"val_check_interval": 100, "max_steps": 3})
    assert 0 <= best_score(running) <= 1
    assert load(tmp_path / "best.ckpt")["global_step"] == 3
