from itertools import chain

import pytest

from data.splits import by_seed, folds


def test_a_split_by_seed_deals_every_item_once_and_depends_on_the_seed_alone() -> None:
    items = [f"{i:03d}" for i in range(100)]
    parts = by_seed(items, [0.7, 0.15, 0.15], seed=0)
    assert [len(part) for part in parts] == [70, 15, 15]
    assert sorted(chain(*parts)) == items
    assert all(part == sorted(part) for part in parts)
    assert parts == by_seed(items, [0.7, 0.15, 0.15], seed=0)
    assert parts != by_seed(items, [0.7, 0.15, 0.15], seed=1)


@pytest.mark.parametrize("count", range(3, 12))
def test_no_part_is_empty(count: int) -> None:
    parts = by_seed(list(range(count)), [0.1, 0.45, 0.45], seed=0)
    assert min(len(part) for part in parts) >= 1
    assert sorted(chain(*parts)) == list(range(count))


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images cannot be split into 3 parts"):
        by_seed([0, 1], [0.8, 0.1, 0.1], seed=0)
    with pytest.raises(ValueError, match="4 images are too few for 5 folds"):
        folds(range(4), 0, 5)


def test_folds_are_runs_of_neighbours_that_hold_every_item_once() -> None:
    tested = [folds(range(32), fold, 5) for fold in range(5)]
    assert [*chain(*(test for _, test in tested))] == list(range(32))
    assert {len(test) for _, test in tested} == {6, 7}
    assert all(sorted(rest + test) == list(range(32)) for rest, test in tested)
