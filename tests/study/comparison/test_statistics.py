from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from study.comparison.statistics import TOGETHER, Family, bootstrap, deviation, family, paired, student_range
from tests.study.comparison.simulation import named_worse


def test_students_interval_of_a_case_worked_by_hand() -> None:
    found = paired([1.0, 2.0, 3.0])  # mean 2, deviation 1, t(0.975, 2) = 4.30265
    assert found.mean == 2
    assert found.t == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-5)
    assert found.bootstrap == (1, 3)
    assert not found.shown  # the range leaves out zero, Student's interval does not


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_the_bootstrap_counts_every_resample(n: int) -> None:
    differences = np.random.default_rng(n).normal(size=n)
    every = np.sort([np.mean(chosen) for chosen in product(differences, repeat=n)])
    low, high = (np.quantile(every, tail, method="inverted_cdf") for tail in (0.025, 0.975))
    assert bootstrap(list(differences)) == pytest.approx((low, high), abs=1e-12)


def test_many_seeds_are_resampled_as_by_hand() -> None:
    differences = np.random.default_rng(1).normal(0.2, size=30)
    drawn = np.random.default_rng(2).choice(differences, (20_000, 30)).mean(1)
    assert bootstrap(list(differences)) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    assert bootstrap(list(differences)) == bootstrap(list(differences))


def test_three_seeds_make_the_bootstrap_miss_one_time_in_four_and_students_interval_one_in_twenty() -> None:
    drawn = np.random.default_rng(0).normal(size=(2000, 3))
    found = [paired(list(each)) for each in drawn]
    missed = np.mean([not each.bootstrap[0] <= 0 <= each.bootstrap[1] for each in found if each.bootstrap])
    assert missed == pytest.approx(0.25, abs=0.03)
    assert np.mean([each.shown for each in found]) == pytest.approx(0.05, abs=0.015)


def test_one_seed_has_no_interval_and_equal_differences_have_one_without_width() -> None:
    alone = paired([0.5])
    assert (alone.bootstrap, alone.t, alone.together, alone.shown) == (None, None, None, False)
    assert deviation([0.5]) is None
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)
    assert deviation([0.7] * 3) == 0
    same = paired([2.0, 2.0, 2.0])
    assert (same.bootstrap, same.t, same.together, same.shown) == ((2, 2), (2, 2), (2, 2), True)
    assert not paired([0.0, 0.0]).shown


def groups_of(table: NDArray[np.float64], missing: float = 0.0, seed: int = 0) -> list[dict[int, float]]:
    """Rows as groups by seed, some values left out."""
    kept = np.random.default_rng(seed).random(table.shape) >= missing
    return [{j: float(v) for j, v in enumerate(row) if kept[i, j]} for i, row in enumerate(table)]


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_scatter_is_that_of_an_additive_fit_by_least_squares(missing: float) -> None:
    for case in range(20):
        table = np.random.default_rng(case).normal(size=(5, 4)) + np.array([0, 10, -5, 3])
        values = [each for each in groups_of(table, missing, case) if len(each) > 1]
        cells = [(i, seed, value) for i, each in enumerate(values) for seed, value in each.items()]
        design = np.zeros((len(cells), len(values) + 4))
        for row, (i, seed, _) in enumerate(cells):
            design[row, [i, len(values) + seed]] = 1
        observed = np.array([value for *_, value in cells])
        fit, _, rank, _ = np.linalg.lstsq(design, observed)
        residual = observed - design @ fit
        found = family([*values, {0: 1.0}])  # one value alone says nothing of scatter
        assert (found.groups, found.freedom) == (len(values), len(cells) - rank)
        if found.freedom:
            assert found.scatter == pytest.approx(np.sqrt(residual @ residual / found.freedom))


def test_tukeys_interval_of_a_case_in_a_book() -> None:
    """Montgomery's etch rates (Design and Analysis of Experiments, 8th edition, example 3.7): four powers, five wafers,
    q(0.05, 4, 16) = 4.05, mean square 333.70, so that differences beyond 33.09 are shown. Wafers are no blocks there,
    so the scatter is given."""
    differences = [35.0, 37.0, 36.0, 35.5, 36.5]
    wide = Family(4, 333.70**0.5, 16).half_width(differences)
    assert wide is not None
    at_95 = wide * 4.05 / student_range(4, 16)
    assert at_95 == pytest.approx(33.09, abs=0.05)
    assert wide > at_95  # at 96 %


def test_two_groups_alone_are_students_case() -> None:
    one, other = [1.0, 2.0, 4.0], [0.5, 1.9, 2.0]
    differences = [a - b for a, b in zip(one, other, strict=True)]
    found = family([dict(enumerate(one)), dict(enumerate(other))])
    wide = found.half_width(differences)
    t = stats.t.ppf(1 - (1 - TOGETHER) / 2, 2)
    assert wide == pytest.approx(t * np.std(differences, ddof=1) / 3**0.5, rel=1e-6)


def test_differences_that_scatter_more_than_the_rest_have_wider_intervals() -> None:
    values = Family(4, 1.0, 12)
    assert values.half_width([0.0, 0.1, -0.1]) == pytest.approx(student_range(4, 12) / 3**0.5)
    assert values.half_width([0.0, 10.0, -10.0]) == pytest.approx(student_range(4, 12) * 10 / 2**0.5 / 3**0.5)


def test_scores_that_never_scatter_differ_by_what_they_differ() -> None:
    costs = family([dict.fromkeys(range(3), 611_795.0), dict.fromkeys(range(3), 536_531.0)])
    assert costs.scatter == 0
    assert paired([75_264.0] * 3, costs).together == (75_264, 75_264)


def test_without_a_common_seed_nothing_tells_how_values_scatter() -> None:
    assert family([]).half_width([1.0, 2.0]) is None
    assert family([{0: 1.0, 1: 2.0}, {2: 3.0, 3: 5.0}]).freedom == 0
    assert not paired([5.0, 5.1], family([{0: 1.0, 1: 2.0}])).shown


@pytest.mark.parametrize(("groups", "seeds"), [(3, 3), (3, 10), (16, 3), (16, 10)])
def test_of_studies_of_equal_groups_one_in_twenty_at_most_names_a_worse(groups: int, seeds: int) -> None:
    """tests/stress/study has all from 3 to 16 groups and 3 to 10 seeds, and scores that are not normal."""
    assert named_worse(groups, seeds, 1000, "normal") <= 0.05


def test_a_group_that_is_worse_is_named() -> None:
    assert named_worse(6, 5, 100, "normal", shift=6.0) > 0.95
    assert named_worse(16, 3, 100, "normal", shift=8.0) > 0.9
