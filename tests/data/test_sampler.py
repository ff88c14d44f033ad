import numpy as np
import pytest

from data.sampler import EpochSampler, balanced


def test_every_index_once_an_epoch_in_an_order_of_seed_and_epoch() -> None:
    sampler = EpochSampler(50, seed=1)
    first, repeated = list(sampler), list(sampler)
    assert first == repeated
    assert sorted(i for _, i in first) == list(range(50))
    sampler.set_epoch(1)
    second = list(sampler)
    assert [e for e, _ in second] == [1] * 50
    assert [i for _, i in second] != [i for _, i in first]
    assert [i for _, i in EpochSampler(50, seed=2)] != [i for _, i in first]


def test_an_epoch_goes_on_behind_what_was_done_and_the_next_one_begins_at_its_start() -> None:
    sampler = EpochSampler(20, seed=1)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.begun = 2, 8
    assert list(sampler) == whole[8:]
    assert len(sampler) == 20
    sampler.set_epoch(3)
    assert len(list(sampler)) == 20


def test_balanced_draws_meet_every_class_as_often() -> None:
    areas = np.array([[1.0, 0.0]] * 98 + [[0.5, 0.5], [0.0, 1.0]])
    probability = balanced(areas, 1.0)
    assert probability is not None
    assert probability.sum() == pytest.approx(1)
    # Class 1 lies in two samples, 1/3 and 2/3 of it; half of the draws go there.
    assert probability[-2] == pytest.approx(0.5 / 3 + 0.5 * 0.5 / 98.5)
    assert probability[-1] == pytest.approx(0.5 * 2 / 3)
    drawn = [i for _, i in EpochSampler(100, 0, probability)]
    assert 40 < sum(i >= 98 for i in drawn) < 60


def test_no_balance_is_no_probability_and_others_are_refused() -> None:
    assert balanced(np.ones((3, 2)), 0) is None
    with pytest.raises(ValueError, match=r"data.balance must lie in \[0, 1\], not 2"):
        balanced(np.ones((3, 2)), 2)
