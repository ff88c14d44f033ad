from itertools import product

import numpy as np
import pytest
from scipy import stats

from study.comparison.statistics import bootstrap, deviation, paired


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


def test_many_seeds_are_resampled_as_scipy_does() -> None:
    differences = np.random.default_rng(1).normal(0.2, size=30)
    expected = stats.bootstrap((differences,), np.mean, method="percentile", rng=2).confidence_interval
    assert bootstrap(list(differences)) == pytest.approx(tuple(expected), abs=0.02)
    assert bootstrap(list(differences)) == bootstrap(list(differences))


def test_three_seeds_make_the_bootstrap_miss_one_time_in_four_and_students_interval_one_in_twenty() -> None:
    drawn = np.random.default_rng(0).normal(size=(2000, 3))
    found = [paired(list(each)) for each in drawn]
    missed = np.mean([not each.bootstrap[0] <= 0 <= each.bootstrap[1] for each in found if each.bootstrap])
    student = np.mean([not each.t[0] <= 0 <= each.t[1] for each in found if each.t])
    assert missed == pytest.approx(0.25, abs=0.03)
    assert student == pytest.approx(0.05, abs=0.015)
    assert np.mean([each.shown for each in found]) == pytest.approx(0.05, abs=0.015)


def test_one_seed_has_no_interval_and_equal_differences_have_one_without_width() -> None:
    alone = paired([0.5])
    assert (alone.bootstrap, alone.t, alone.shown) == (None, None, False)
    assert deviation([0.5]) is None
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)
    same = paired([2.0, 2.0, 2.0])
    assert (same.bootstrap, same.t, same.shown) == ((2, 2), (2, 2), True)
    assert not paired([0.0, 0.0]).shown
