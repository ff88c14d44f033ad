"""What share of a job and of a test the instrument takes: the pattern by shifting, classical measures, noise floors."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Line, seconds
from benchmarks.training.turns import WARM, Clock, built, steps_alone, train
from data.loading.datamodule import DataModule
from models.training import length
from models.training.task import Task
from models.training.trainer import build_trainer
from upsample.instrument.checkerboard import Checkerboard, nulls
from upsample.instrument.shifts import GridByShifting

INSTRUMENT: tuple[tuple[type, str], ...] = (
    *((GridByShifting, "update"), (GridByShifting, "result")),
    *((Checkerboard, "update"), (Checkerboard, "compute")),
)
STEPS = 20  # of the training whose steps are timed


class Timer:
    """Seconds spent in functions that are wrapped, those that one of them calls not counted twice: `seconds`."""

    def __init__(self) -> None:
        self.seconds, self.inside = 0.0, False

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            if self.inside:
                return function(*arguments, **options)
            self.inside = True
            result: list[Any] = []
            try:
                self.seconds += seconds(lambda: result.append(function(*arguments, **options)))
            finally:
                self.inside = False
            return result[0]

        return timed


@contextmanager
def timed_instrument() -> Iterator[Timer]:
    """Time what the instrument does in objects that are made within."""
    timer, before = Timer(), [getattr(owner, name) for owner, name in INSTRUMENT]
    for (owner, name), function in zip(INSTRUMENT, before, strict=True):
        setattr(owner, name, timer.around(function))
    try:
        yield timer
    finally:
        for (owner, name), function in zip(INSTRUMENT, before, strict=True):
            setattr(owner, name, function)


def tested(options: dict[str, Any], task: Task, module: DataModule) -> float:
    """Seconds of a test, from its first batch to its scores."""
    nulls.cache_clear()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(options, Path(folder), task)
        began = time.perf_counter()
        trainer.test(task, module, verbose=False)
        task.tested()
        return time.perf_counter() - began


def of_job() -> tuple[float, str]:
    """The share of the default job: its training steps and its test. Start, validations and report are not counted,
    which would make it smaller."""
    with timed_instrument() as timer:
        options, task, module = built()
        chosen, _, _ = length.decided(options, {}, module)
        steps = (chosen["max_epochs"] or chosen["min_epochs"]) * (len(module.train) // module.batch_size)
        clock = Clock()
        train(options | steps_alone(WARM + STEPS), task, module, [clock])
        test = tested(options, task, module)
    training = steps * clock.seconds
    rest = f"{training:.0f} s of {steps:,} steps and {test - timer.seconds:.1f} s of the rest of the test"
    note = f"{timer.seconds:.1f} s beside {rest}"
    return timer.seconds / (training + test), note


def of_test(*overrides: str) -> tuple[float, str]:
    """The share of a test of the default network, untrained."""
    with timed_instrument() as timer:
        options, task, module = built(*overrides)
        test = tested(options, task, module)
    return timer.seconds / test, f"{timer.seconds:.1f} s of {test:.1f} s, {len(module.test)} images"


def share(camvid: str | None, rounds: int) -> list[Line]:
    """8: of the default job, and of a test of CamVid where it is at hand."""

    def line(what: str, work: Callable[[], tuple[float, str]], target: float) -> Line:
        shares, notes = zip(*(work() for _ in range(rounds)), strict=True)
        return Line("the instrument", what, shares, target, False, notes[-1])

    lines = [line("the default job's steps and test", of_job, 0.05)]
    if camvid:
        lines.append(line("a test of CamVid", lambda: of_test("data=camvid", f"data.root='{camvid}'"), 0.1))
    return lines
