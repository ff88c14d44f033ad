"""Checkpoints in a run's folder that are whole, but another run's: none is gone on from, and none is scored."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.training.checkpoint_file import load
from models.training.checkpoints import WholeFiles
from models.training.task import Task
from tests.models.tasks.tiny_runs import EPOCHS, build, train, train_until

Harm = Callable[[Path], None]


def of(run: str | None, kind: str = "segmentation") -> Task:
    task = build(kind)
    task.run = run
    return task


def of_run(run: str | None) -> Harm:
    """As if another run, or an earlier version, had written it."""

    def harm(path: Path) -> None:
        stored = load(path) | {"run": run}
        WholeFiles().save_checkpoint(stored, path)

    return harm


def wider(path: Path) -> None:
    stored = load(path)
    del stored["run"]
    key = next(key for key in stored["state_dict"] if key.endswith("0.weight"))
    stored["state_dict"][key] = torch.zeros(16, 1, 3, 3)
    WholeFiles().save_checkpoint(stored, path)


def without_a_layer(path: Path) -> None:
    stored = load(path)
    stored["state_dict"].popitem()
    WholeFiles().save_checkpoint(stored, path)


def network_alone(path: Path) -> None:
    stored = load(path)
    WholeFiles().save_checkpoint({key: stored[key] for key in ("state_dict", "config")}, path)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (of_run("another"), "is of a run of another configuration or of other data; move it away"),
        (wider, "is of another network; move it away"),
        (without_a_layer, "is of another network; move it away"),
    ],
)
@pytest.mark.parametrize(("name", "step"), [("last.ckpt", 7), ("best.ckpt", 7), ("best.ckpt", None)])
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(
    name: str, step: int | None, harm: Harm, sentence: str, tmp_path: Path
) -> None:
    if step is None:
        train(of("this"), tmp_path, **EPOCHS)
    else:
        train_until(step, of("this"), tmp_path, **EPOCHS)
    harm(tmp_path / name)
    held = (tmp_path / name).read_bytes()
    with pytest.raises(ValueError, match=f"{name} {sentence}"):
        train(of("this"), tmp_path, **EPOCHS)
    assert (tmp_path / name).read_bytes() == held


def test_a_network_alone_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    train_until(7, of("this"), tmp_path, **EPOCHS)
    network_alone(tmp_path / "last.ckpt")
    with pytest.raises(
        ValueError, match=r"last.ckpt holds no state of a training; move it away, and begin from it with"
    ):
        train(of("this"), tmp_path, **EPOCHS)


def test_one_that_does_not_say_whose_it_is_goes_on(tmp_path: Path) -> None:
    train_until(7, of("this"), tmp_path, **EPOCHS)
    for name in ("last.ckpt", "best.ckpt"):
        of_run(None)(tmp_path / name)
    assert train(of("this"), tmp_path, **EPOCHS).global_step == 9
