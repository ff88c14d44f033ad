"""Runs that are stopped by signals."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.models.tasks.tiny_runs import EPOCHS, assert_same_end, build, train


@pytest.mark.parametrize(
    ("number", "when", "workers"),
    [
        (signal.SIGTERM, "on_train_batch_start", 0),
        (signal.SIGTERM, "on_validation_start", 0),
        (signal.SIGUSR1, "on_before_optimizer_step", 2),
        (signal.SIGINT, "on_train_batch_start", 0),
    ],
)
def test_a_signal_saves_ends_as_no_success_and_the_run_continues(
    number: signal.Signals, when: str, workers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(build("segmentation"), whole, **EPOCHS)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    task = build("segmentation")

    def send(*_: Any) -> None:
        if task.trainer.global_step == 3:
            os.kill(os.getpid(), number)

    setattr(task, when, send)
    with pytest.raises(SystemExit) as stopped:
        train(task, parts, workers, checkpoint_minutes=60, **EPOCHS)
    assert stopped.value.code == (130 if number == signal.SIGINT else 143)
    assert f"after step 4, which {parts / 'last.ckpt'} keeps; start the same command again" in capsys.readouterr().out
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == handlers
    train(build("segmentation"), parts, **EPOCHS)
    assert "Continuing after step 4" in capsys.readouterr().out
    assert_same_end(whole, parts)


def test_a_signal_in_the_last_validation_ends_the_run_before_its_test(tmp_path: Path) -> None:
    task = build("segmentation")
    task.on_validation_end = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        train(task, tmp_path, max_epochs=1)
    assert train(build("segmentation"), tmp_path, max_epochs=1).global_step == 3


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path) -> None:
    task = build("segmentation")
    begun = []

    def send(*_: Any) -> None:
        begun.append(task.trainer.global_step)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    task.on_train_batch_start = send
    with pytest.raises(SystemExit, match="130"):
        train(task, tmp_path, **EPOCHS)
    assert begun == [0]
    assert not list(tmp_path.iterdir())
