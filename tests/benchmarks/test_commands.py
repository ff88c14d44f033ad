"""Seconds of commands: of the right ones, and none of a command that did something else."""

import re
from pathlib import Path

import pytest

from benchmarks import share
from benchmarks.commands import refusals
from benchmarks.commands.process import arguments_of, first_word, run
from upsample.instrument.checkerboard import Checkerboard


def test_a_command_that_ends_otherwise_is_not_measured(tmp_path: Path) -> None:
    assert 0 < run(("-c", "raise SystemExit(1)"), tmp_path, code=1) < 60
    with pytest.raises(RuntimeError, match="ended with exit code 3, not 0: why"):
        run(("-c", "print('why'); raise SystemExit(3)"), tmp_path)


def test_the_first_word_is_not_waited_beyond(tmp_path: Path) -> None:
    took, said = first_word(("-c", "import time; print('now', flush=True); time.sleep(600)"), tmp_path)
    assert took < 300
    assert said == "now"
    with pytest.raises(RuntimeError, match="said nothing"):
        first_word(("-c", "pass"), tmp_path)


def test_scripts_are_those_of_the_checkout() -> None:
    script, option = arguments_of(("train.py", "x.py"))
    assert Path(script).is_file()
    assert option == "x.py"
    assert arguments_of(("-m", "upsample", "list")) == ["-m", "upsample", "list"]


def test_the_slowest_refusal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = ("-m", "upsample", "explain", "deconf")
    monkeypatch.setattr(refusals, "run", lambda command, *_: 3.0 if command == slow else 0.5)
    monkeypatch.setattr(refusals, "first_word", lambda *_: (1.0, "Importing torch ..."))
    told, words = refusals.refusals(2)
    assert told.ratios == [3.0, 3.0]
    assert told.reached is False
    assert told.note.startswith("seconds; `-m upsample explain deconf` 3.0 s")
    assert words.reached


def test_what_a_timed_function_calls_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 5.0])
    timer = share.Timer()
    inner = timer.around(lambda: 7)
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    assert timer.around(lambda: inner())() == 7
    assert timer.seconds == 5.0


def test_the_instruments_share_of_a_test_lies_between_nothing_and_all() -> None:
    before = Checkerboard.update
    tiny = ("encoder.width=4", "encoder.depth=2", "task.grid_images=1", "task.test_crop=128")
    found, note = share.of_test(*tiny, "+trainer.limit_test_batches=1")
    assert 0 < found < 1
    assert re.fullmatch(r"[\d.]+ s of [\d.]+ s, \d+ images", note)
    assert Checkerboard.update is before


def test_a_command_keeps_what_python_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each start would compile all that it imports anew, which no user's does."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    run(("-c", "import sys; raise SystemExit(sys.dont_write_bytecode)"), tmp_path)
