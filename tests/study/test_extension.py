"""A finished run made longer is the run that was long from the start, or a sentence says why it starts afresh."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from study import extension, identity, run_folder
from study.identity import described
from tests.tiny import DCGAN, TINY, composed

SMALL = [*TINY, "task.schedule=constant", "task.grid_images=0", "task.ema=0.5"]


def config(*overrides: str) -> dict[str, Any]:
    return described(composed("config", *overrides))


def run(top: Path, *overrides: str) -> Path:
    own = config(*overrides)
    folder = top / f"unet-earth-{identity.digest(own)}"
    folder.mkdir(exist_ok=True)
    train.run(own, folder)
    return folder


def test_an_extended_run_ends_as_one_that_was_long_from_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for top in ("extended", "long"):
        (tmp_path / top).mkdir()
    short = run(tmp_path / "extended", *SMALL, "trainer.max_epochs=1")
    before = (short / "last.ckpt").read_bytes()
    capsys.readouterr()
    extended = run(tmp_path / "extended", *SMALL, "trainer.max_epochs=2")
    assert f"This run goes on where {short}, the same but shorter, ended" in capsys.readouterr().out
    assert (short / "last.ckpt").read_bytes() == before
    whole = run(tmp_path / "long", *SMALL, "trainer.max_epochs=2")
    assert (extended / "history.csv").read_text() == (whole / "history.csv").read_text()
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (extended, whole))
        assert all(torch.equal(value, other["state_dict"][key]) for key, value in one["state_dict"].items())
        assert one["global_step"] == other["global_step"]
    one, other = (run_folder.read_metrics(folder) or {} for folder in (extended, whole))
    assert {key for key in one if one[key] != other[key]} <= {"seconds", "seconds_per_step", "peak_memory_mb"}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "unet-earth-0123abcd"
    folder.mkdir()
    for name in extension.KEPT:
        (folder / name).write_text(name)
    return folder


def begun(folder: Path, *overrides: str) -> None:
    run_folder.begin(folder, config(*overrides))
    run_folder.write_metrics(folder, {})


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            [*TINY],
            "its learning rate ends with its last step (one_cycle), and would have to be the same throughout, as ",
        ),
        ([*TINY, "task.schedule=poly"], "(poly)"),
        ([*TINY, "task.schedule=constant", "callbacks.patience=3"], "ended early by callbacks.patience"),
        (["model=espcn"], "its learning rate ends with its last step (one_cycle)"),
    ],
)
def test_what_cannot_be_extended_says_why(overrides: list[str], said: str, finished: Path) -> None:
    begun(finished, *overrides, "trainer.max_epochs=2")
    folder = finished.with_name("unet-earth-4567abcd")
    told = extension.extend(folder, config(*overrides, "trainer.max_epochs=4"))
    assert told is not None
    assert said in told
    assert not folder.exists()


@pytest.mark.parametrize(
    "changes",
    [
        ["trainer.max_epochs=2"],
        ["trainer.max_epochs=1"],
        ["trainer.max_epochs=4", "seed=1"],
        ["trainer.max_epochs=null"],
    ],
)
def test_no_other_run_is_taken_for_a_shorter_one(changes: list[str], finished: Path) -> None:
    begun(finished, *SMALL, "trainer.max_epochs=2")
    assert extension.extend(finished.with_name("unet-earth-4567abcd"), config(*SMALL, *changes)) is None


def test_generators_are_extended_by_steps_and_an_unfinished_run_is_left_alone(finished: Path) -> None:
    begun(finished, *DCGAN, "trainer.max_steps=2")
    longer = config(*DCGAN, "trainer.max_steps=6")
    folder = finished.with_name("unet-earth-4567abcd")
    folder.mkdir()
    assert "goes on where" in (extension.extend(folder, longer) or "")
    assert {path.name for path in folder.iterdir()} == set(extension.KEPT)
    assert extension.extend(folder, longer) is None  # it has begun
    shutil.rmtree(folder)
    (finished / "metrics.json").unlink()
    assert extension.extend(folder, longer) is None
