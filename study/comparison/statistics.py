"""What a handful of seeds can tell: means, deviations, and intervals of paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import factorial, fsum, prod, sqrt
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
TOGETHER = 0.96  # of all differences of a score at once; docs/statistics.md has why, and what was simulated
EXACT = 7  # up to so many differences every resample is counted: 7**7 of them fall into 1716 kinds

HOW_TO_READ = (
    "Differences are paired by seed, so that what a seed does to all alike drops out. Together: Tukey's 96 % interval "
    "of all differences between the groups at once, which allows for their number and for the best being chosen from "
    "the same runs. t: Student's 95 % interval of one difference alone. A difference is called shown where both leave "
    "out zero. In simulated studies of equal groups (3 to 16 of them, 3 to 10 seeds) at most one in twenty called any "
    "of them worse; where half of them scatter ten times as much as the rest, one in ten. No correction is made for "
    "the number of scores."
)


def deviation(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1), None for fewer than two values."""
    if len(values) < 2:
        return None
    if len(set(values)) == 1:  # whose mean may be off by rounding
        return 0.0
    middle = fmean(values)
    return sqrt(fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences, (n,), n >= 1, and its intervals, which one difference alone does not have.

    t         Student's 95 % interval of this one
    together  the interval that holds for all of its family at once; None also where nothing tells how values scatter
    """

    values: tuple[float, ...]
    t: tuple[float, float] | None
    together: tuple[float, float] | None

    @property
    def n(self) -> int:
        """How many seeds are in common."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean difference."""
        return fmean(self.values)

    @property
    def bootstrap(self) -> tuple[float, float] | None:
        """The 95 % percentile interval over resamples. Of 3 differences it is their range, and misses the true mean one
        time in four."""
        return bootstrap(self.values) if self.n > 1 else None

    @property
    def shown(self) -> bool:
        """Whether Student's interval and that of all differences together leave out zero."""
        return all(each is not None and (each[0] > 0 or each[1] < 0) for each in (self.t, self.together))


@dataclass(frozen=True)
class Family:
    """Groups that are compared by one score.

    groups   how many
    scatter  the standard deviation of a value that neither its group nor its seed explains
    freedom  degrees of freedom of that
    """

    groups: int
    scatter: float
    freedom: int

    def half_width(self, differences: Sequence[float]) -> float | None:
        """Of the interval of the mean of paired differences, (n,): Tukey and Kramer's (Kramer, 1956), with what the
        differences themselves scatter where that is more, as groups need not scatter alike. None without freedom."""
        if self.freedom < 1:
            return None
        scatter = max(self.scatter, (deviation(differences) or 0.0) / sqrt(2))
        return student_range(self.groups, self.freedom) * scatter / sqrt(len(differences))


@cache
def student_range(groups: int, freedom: int) -> float:
    """The quantile of the studentised range at TOGETHER."""
    return float(stats.studentized_range.ppf(TOGETHER, groups, freedom))


def family(values: Sequence[Mapping[Any, float]]) -> Family:
    """The family of groups of at least two values, each by its seed.

    The scatter is that of the residuals of an additive fit, value = group + seed, by least squares, so seeds may be
    missing. The groups' means are eliminated, which leaves a system as large as there are seeds (Searle, Linear Models,
    1971, chapter 7).
    """
    groups = [each for each in values if len(each) > 1]
    seeds = list(dict.fromkeys(seed for each in groups for seed in each))
    if not groups:
        return Family(0, 0.0, 0)
    observed = np.array([[each.get(seed, np.nan) for seed in seeds] for each in groups])
    there = np.isfinite(observed)
    counts = there.sum(1, keepdims=True)

    def centred(table: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(there, table - np.where(there, table, 0).sum(1, keepdims=True) / counts, 0)

    within = centred(observed)
    system = np.diag(there.sum(0)) - (there / counts).T @ there
    effects, _, rank, _ = np.linalg.lstsq(system, within.sum(0))
    residual = within - centred(np.broadcast_to(effects, observed.shape))
    residual[np.abs(residual) < 1e-12 * np.nanmax(np.abs(observed))] = 0  # of equal values
    freedom = int(there.sum()) - len(groups) - int(rank)
    return Family(len(groups), sqrt(float((residual**2).sum()) / freedom) if freedom else 0.0, freedom)


def paired(differences: Sequence[float], among: Family | None = None) -> Difference:
    """The mean of differences, (n,), n >= 1, with its intervals.

    among  the family that it is one of; None: it is the only one, of two groups
    """
    values, n = tuple(differences), len(differences)
    if n == 1:
        return Difference(values, None, None)
    middle = fmean(values)
    alone = student(n - 1) * (deviation(values) or 0.0) / sqrt(n)
    together = alone if among is None else among.half_width(values)
    around = [None if half is None else (middle - half, middle + half) for half in (alone, together)]
    return Difference(values, *around)


@cache
def student(freedom: int) -> float:
    """The two-sided quantile of Student's distribution at LEVEL."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


@cache
def resamples(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of all n**n resamples of n values the kinds, (K, n) as the share of each value in the mean, and how often each
    occurs, (K,) as a share."""
    kinds = [np.bincount(chosen, minlength=n) for chosen in combinations_with_replacement(range(n), n)]
    often = [factorial(n) // prod(factorial(int(count)) for count in kind) for kind in kinds]
    return np.array(kinds) / n, np.array(often) / n**n


def bootstrap(differences: Sequence[float]) -> tuple[float, float]:
    """The percentile interval of the mean over resamples with replacement (Efron and Tibshirani, 1993, chapter 13).

    Up to 7 values by hand: all n**n resamples are counted, where scipy would draw some of them. Beyond, scipy's, 9999
    drawn with seed 0.
    """
    n, tail = len(differences), (1 - LEVEL) / 2
    if n > EXACT:
        drawn = stats.bootstrap((differences,), np.mean, confidence_level=LEVEL, method="percentile", rng=0)
        return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
    shares, often = resamples(n)
    means = shares @ np.asarray(differences)
    order = np.argsort(means, kind="stable")
    below = np.cumsum(often[order])
    low, high = (means[order[np.searchsorted(below, at - 1e-9)]] for at in (tail, 1 - tail))
    return float(low), float(high)
