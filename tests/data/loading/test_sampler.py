from itertools import chain

import numpy as np
import pytest
from torch.utils.data import BatchSampler

from data.loading.sampler import EpochSampler, balanced, batches_in_turns


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


def test_no_balance_is_no_probability() -> None:
    assert balanced(np.ones((3, 2)), 0) is None


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_shares_of_training_are_together_the_batches_of_one_process(processes: int) -> None:
    expected = list(BatchSampler([i for _, i in EpochSampler(50, 1)], 12, drop_last=True))
    shares = [[i for _, i in EpochSampler(50, 1, rank=rank, processes=processes)] for rank in range(processes)]
    each = [list(BatchSampler(share, 12 // processes, drop_last=True)) for share in shares]
    together = [sorted(chain(*parts)) for parts in zip(*each, strict=True)]
    assert together == [sorted(batch) for batch in expected]
    assert len({len(share) for share in shares}) == 1


@pytest.mark.parametrize(("length", "batch_size", "processes"), [(10, 3, 2), (7, 2, 3), (5, 5, 1), (9, 1, 4)])
def test_shares_of_evaluation_are_the_batches_of_one_process_in_turns(
    length: int, batch_size: int, processes: int
) -> None:
    batches = list(BatchSampler(range(length), batch_size, drop_last=False))
    for rank in range(processes):
        share = batches_in_turns(length, batch_size, rank, processes)
        assert list(BatchSampler(share, batch_size, drop_last=False)) == batches[rank::processes]
