"""Ratios on a machine that others use: what is compared takes turns, and every ratio is of two turns of one round."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

TURN = 0.1  # seconds that the slowest of what is compared works in a turn, at least


@dataclass(frozen=True)
class Line:
    """A comparison and what came of it.

    ratios    of each round
    target    that their median must reach; `at_least` says from which side. None: told, not judged
    note      what a reader needs to judge it
    """

    what: str
    against: str
    ratios: Sequence[float]
    target: float | None
    at_least: bool = True
    note: str = ""
    median: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "median", float(np.median(self.ratios)))

    @property
    def reached(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        return self.median >= self.target if self.at_least else self.median <= self.target

    @property
    def spread(self) -> str:
        """The median and the quartiles."""
        return spread(self.ratios)

    @property
    def wanted(self) -> str:
        """The target in words."""
        return "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:g}"


def spread(values: Sequence[float]) -> str:
    """The median and the quartiles of values."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Of each round."""
    return [a / b for a, b in zip(over, under, strict=True)]


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Of doing something `times` times, for one of them, until the GPU too is done."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / times


def take_turns(works: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Seconds of each work in each round, all after one turn that does not count.

    In a turn a work is done as often as lets the slowest take TURN seconds.
    """
    slowest = max(seconds(work) for work in works)
    times = max(1, round(TURN / slowest))
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for each, work in zip(found, works, strict=True):
            each.append(seconds(work, times))
    return found
