"""What all starts of a run took together."""

import time

import pytest

from models.training.callbacks.step_clock import KEPT, StepClock


def test_a_resumed_run_counts_its_earlier_starts() -> None:
    first = StepClock()
    first.started = time.perf_counter() - 100
    first.steps.extend([1.0, 2.0, 3.0])
    state = first.state_dict()
    assert state["seconds"] == pytest.approx(100, abs=5)
    second = StepClock()
    second.started = time.perf_counter() - 20
    second.load_state_dict(state | {"peak_memory_mb": 1e9})
    assert second.seconds() == pytest.approx(120, abs=5)
    assert second.peak_memory_mb() == 1e9
    assert second.median() == 2
    second.steps.extend([9.0] * KEPT)
    assert second.median() == 9


def test_what_comes_between_steps_is_no_step() -> None:
    clock = StepClock()
    clock.on_train_batch_end()
    clock.on_validation_start()
    clock.on_train_batch_end()
    assert list(clock.steps) == []
    clock.on_train_batch_end()
    assert len(clock.steps) == 1


def test_what_the_test_loads_of_this_start_is_not_counted_again() -> None:
    clock = StepClock()
    clock.on_train_start()
    clock.load_state_dict({"seconds": 1e6, "peak_memory_mb": 1e9, "steps": [5.0]})
    assert clock.seconds() < 1e3
    assert clock.peak_memory_mb() < 1e8
    assert not clock.steps
