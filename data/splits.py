"""Which samples train, which validate, which test: by shares and a seed, or fold by fold."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def by_seed(
    items: Sequence[T], shares: Sequence[float], seed: int, holds: Callable[[T], frozenset[int]] | None = None
) -> list[list[T]]:
    """Deal items at random to as many parts as there are shares, at least one to each; order is kept in each part.

    shares  of all items, adding up to 1
    holds   the classes in an item: one that the first part would lack is brought there, in exchange for another item
    Raises ValueError where there are fewer items than parts.
    """
    if len(items) < len(shares):
        raise ValueError(
            f"{len(items)} images cannot be split into {len(shares)} parts; at least {len(shares)} are needed"
        )
    counts = [max(1, round(share * len(items))) for share in shares[1:]]
    while sum(counts) >= len(items):
        counts[int(np.argmax(counts))] -= 1
    order = np.random.default_rng(seed).permutation(len(items))
    parts = np.split(order, np.cumsum(counts))
    dealt = [list(map(int, part)) for part in (parts[-1], *parts[:-1])]
    if holds is not None:
        bring_every_class(dealt, [holds(item) for item in items])
    return [[items[i] for i in sorted(part)] for part in dealt]


def bring_every_class(dealt: list[list[int]], held: Sequence[frozenset[int]]) -> None:
    """Exchange items, places in `held`, until the first part holds every class that any item holds, as far as that can
    be: a network cannot learn what it never sees."""
    for label in sorted(set().union(*held)):
        if any(label in held[i] for i in dealt[0]):
            continue
        part, item = next((part, i) for part in dealt[1:] for i in part if label in held[i])
        counts = Counter(each for i in dealt[0] for each in held[i])
        spare = next((i for i in dealt[0] if all(counts[each] > 1 for each in held[i])), None)
        if spare is not None:
            part[part.index(item)], dealt[0][dealt[0].index(spare)] = spare, item


def folds(items: Sequence[T], fold: int, of: int) -> tuple[list[T], list[T]]:
    """The rest, and fold number `fold` of `of`: a run of neighbours, so that no slice is tested between two that train.

    Every item is in one fold; sizes differ by one at most.
    """
    if not 0 <= fold < of:
        raise ValueError(f"data.fold is {fold}; choose from 0 to {of - 1}")
    if len(items) < of:
        raise ValueError(f"{len(items)} images are too few for {of} folds")
    edges = [round(i * len(items) / of) for i in range(of + 1)]
    first, last = edges[fold], edges[fold + 1]
    return [*items[:first], *items[last:]], list(items[first:last])
