"""What a handful of seeds can tell: means, deviations, and intervals of paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import factorial, isfinite, prod
from statistics import mean, stdev

import numpy as np
from scipy import stats

LEVEL = 0.95
EXACT = 7  # up to so many differences every resample is counted: 7**7 of them fall into 1716 kinds

HOW_TO_READ = (
    "Differences are paired by seed, so that what a seed does to all alike drops out. Bootstrap: percentiles over all "
    "resamples of the differences. With 3 seeds that is just their range, which misses the true difference one time in "
    "four (with 2, every other time), not one in twenty. t: Student's interval, right for few seeds if differences are "
    "normally distributed, and wide. A difference is called shown where both leave out zero. No correction is made for "
    "the number of comparisons, nor for the best being chosen from the same runs: of twenty equal ones about one would "
    "be called different."
)


def deviation(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1), None for fewer than two values."""
    return stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences and its two 95 % intervals, which one difference alone does not have."""

    n: int
    mean: float
    bootstrap: tuple[float, float] | None
    t: tuple[float, float] | None

    @property
    def shown(self) -> bool:
        """Whether both intervals leave out zero."""
        return all(each is not None and (each[0] > 0 or each[1] < 0) for each in (self.bootstrap, self.t))


def paired(differences: Sequence[float]) -> Difference:
    """The mean of the differences, (n,), n >= 1, with its percentile bootstrap and its Student interval."""
    n, middle = len(differences), mean(differences)
    if n == 1:
        return Difference(1, middle, None, None)
    test = stats.ttest_1samp(differences, 0).confidence_interval(LEVEL) if len(set(differences)) > 1 else None
    student = (float(test.low), float(test.high)) if test and isfinite(test.low) else (middle, middle)
    return Difference(n, middle, bootstrap(differences), student)


def bootstrap(differences: Sequence[float]) -> tuple[float, float]:
    """The percentile interval of the mean over resamples with replacement (Efron and Tibshirani, 1993, chapter 13).

    Up to 7 values all n**n resamples are counted, each kind as often as it occurs; beyond, 9999 drawn with seed 0.
    """
    n, tail = len(differences), (1 - LEVEL) / 2
    if n > EXACT:
        drawn = np.random.default_rng(0).integers(n, size=(9999, n))
        low, high = np.quantile(np.asarray(differences)[drawn].mean(1), [tail, 1 - tail])
        return float(low), float(high)
    kinds = sorted(
        (mean(differences[i] for i in chosen), factorial(n) // prod(factorial(chosen.count(i)) for i in set(chosen)))
        for chosen in combinations_with_replacement(range(n), n)
    )
    means = np.array([value for value, _ in kinds])
    share = np.cumsum([count for _, count in kinds]) / n**n
    low, high = means[np.searchsorted(share, tail)], means[np.searchsorted(share, 1 - tail)]
    return float(low), float(high)
