"""Memory that ends in the middle of a training, as torch, CUDA and Python tell of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models.tasks.generation.task import GAN
from models.tasks.segmentation.task import Segmentation
from models.training.auto_batch import find_batch, kept_size
from models.training.memory import smaller_batch
from models.training.trainer import build_trainer, fit
from study import run_folder
from tests.models.tasks.tiny_runs import EPOCHS, assert_same_end, build, noise, train

OPTIONS: dict[str, Any] = {"accelerator": "cpu", "precision": "32-true", **EPOCHS}


def cuda(*_: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def python(*_: Any) -> None:
    raise MemoryError


def torch_on_a_cpu(*_: Any) -> None:
    torch.empty(2**50, dtype=torch.uint8)


@pytest.mark.parametrize("fail", [cuda, python, torch_on_a_cpu])
def test_memory_that_ends_is_told_with_what_would_fit(
    fail: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = build("segmentation")
    step = task.training_step
    task.training_step = lambda *batch: (fail if task.trainer.global_step == 4 else step)(*batch)
    with pytest.raises(SystemExit) as ended, run_folder.one_sentence(debug=False):
        train(task, tmp_path, **EPOCHS)
    assert ended.value.code == 1
    told = re.fullmatch(
        r"Error: out of memory in training on cpu with data.batch_size=4, at a peak of ([\d,]+) MB; "
        r"data.batch_size=2 is likely to fit, and callbacks.auto_batch=true finds what does: that is a run "
        r"of its own; this one goes on from \S+last.ckpt by the same command where more memory is free\n",
        capsys.readouterr().err,
    )
    assert told
    assert 50 < int(told[1].replace(",", "")) < 100_000


def test_memory_that_ends_in_a_validation_is_told_too(tmp_path: Path) -> None:
    task = build("segmentation")
    task.validation_step = python
    with pytest.raises(
        ValueError, match=r"out of memory in scoring on cpu with .* data.batch_size=2 is likely to fit: that"
    ):
        train(task, tmp_path, **EPOCHS)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    task = build("segmentation")
    task.training_step = lambda *_: {}["memory"]
    with pytest.raises(KeyError, match="memory"):
        train(task, tmp_path, **EPOCHS)


@pytest.mark.parametrize(
    ("size", "peak", "available", "fitting"),
    [(64, 70e3, float("inf"), 32), (64, 70e3, 80e3, 32), (64, 70e3, 30e3, 16), (2, 100, 10, 0), (1, 1, 10, 0)],
)
def test_the_batch_that_is_likely_to_fit(size: int, peak: float, available: float, fitting: int) -> None:
    """70 GB for 64 are 35 for 32, too much for nine tenths of 30, and 17.5 for 16."""
    assert smaller_batch(size, peak, available) == fitting


@pytest.mark.parametrize(("kind", "task"), [("segmentation", Segmentation), ("gan", GAN)])
def test_auto_batch_finds_what_fits_and_changes_nothing_else(
    kind: str, task: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, given = tmp_path / "found", tmp_path / "given"
    found.mkdir()
    training, data = build(kind), noise(2)
    fit(build_trainer(OPTIONS, given, training), training, data, given)

    step = task.training_step

    def small(self: Any, batch: dict[str, Any], index: int) -> Any:
        return step(self, batch, index) if len(batch["image"]) <= 2 else python()

    monkeypatch.setattr(task, "training_step", small)
    training, data = build(kind), noise(8)
    find_batch(OPTIONS, {}, training, data, found)
    assert data.batch_size == 2
    assert "callbacks.auto_batch: data.batch_size=2 fits" in capsys.readouterr().out
    fit(build_trainer(OPTIONS, found, training), training, data, found)
    assert_same_end(found, given)

    monkeypatch.setattr(task, "training_step", python)
    again = noise(8)
    find_batch(OPTIONS, {}, build(kind), again, found)  # a run that goes on does not try again
    assert again.batch_size == again.test_batch_size == 2


def test_auto_batch_ends_where_one_image_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segmentation, "training_step", python)
    with pytest.raises(ValueError, match=r"with data.batch_size=1, .* choose smaller images or networks"):
        find_batch(OPTIONS, {}, build("segmentation"), noise(4), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "\n", "8x", "0", "-4", "16", "\x00\x00", "9" * 5000, "4.0"])
def test_a_batch_size_that_is_not_whole_counts_as_absent(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "batch_size.txt"
    assert kept_size(path, 8) is None
    assert capsys.readouterr().out == ""
    path.write_text(text)
    assert kept_size(path, 8) is None
    assert capsys.readouterr().out.startswith(f"Passed over: {path} holds no batch size from 1 to 8")
    path.write_text("4\n")
    assert kept_size(path, 8) == 4
