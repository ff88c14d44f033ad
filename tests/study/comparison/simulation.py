"""Studies of groups that are equal: how often does a comparison call one of them worse?"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from study.comparison.statistics import family, paired

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]


def uneven(factor: float, every: int) -> Draw:
    """Normal scores of which each `every`th group's scatter `factor` times as much."""

    def draw(random: np.random.Generator, groups: int, seeds: int) -> NDArray[np.float64]:
        return random.normal(size=(groups, seeds)) * np.where(np.arange(groups) % every, 1, factor)[:, None]

    return draw


# A study's scores, (groups, seeds), by how they are distributed.
SCORES: dict[str, Draw] = {
    "normal": lambda random, k, n: random.normal(size=(k, n)) + 3 * random.normal(size=(1, n)),
    "heavy tails": lambda random, k, n: random.standard_t(3, size=(k, n)),
    "skewed": lambda random, k, n: random.exponential(size=(k, n)),
    "skewed the other way": lambda random, k, n: -random.exponential(size=(k, n)),
    "rounded": lambda random, k, n: random.normal(size=(k, n)).round(),
    "one of three scatters three times as much": uneven(3, 3),
    "half scatter ten times as much": uneven(10, 2),
}


def named_worse(
    groups: int,
    seeds: int,
    studies: int,
    scores: str,
    missing: float = 0.0,
    shift: float = 0.0,
    all_others: bool = False,
    students_alone: bool = False,
) -> float:
    """The share of studies in which a group is shown to differ from the one with the best mean.

    missing     share of the runs that are not there; the best is then chosen from the groups with the most
    shift       added to the first group's scores, by which it is the best
    all_others  what is counted are the groups, not the studies: the share of those other than the best
    students_alone  differences are shown where Student's interval leaves out zero, as if each were the only one
    """
    random = np.random.default_rng((groups, seeds, studies))
    named = 0.0
    for _ in range(studies):
        table = SCORES[scores](random, groups, seeds)
        table[0] += shift
        there = random.random((groups, seeds)) >= missing
        values = [{j: float(table[i, j]) for j in range(seeds) if there[i, j]} for i in range(groups)]
        among, most = None if students_alone else family(values), max(map(len, values))
        best = max((each for each in values if len(each) == most), key=lambda each: sum(each.values()))
        pairs = [[each[j] - best[j] for j in each if j in best] for each in values if each is not best]
        shown = [paired(each, among).shown for each in pairs if each]
        named += sum(shown) / len(shown) if all_others else any(shown)
    return named / studies
