"""The order in which samples come, a pure function of seed and epoch, and each process's share of it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


def balanced(areas: NDArray[np.float64], balance: float) -> NDArray[np.float64] | None:
    """How likely each sample is to be drawn, (n,) summing to 1, or None for every sample once.

    areas (n, K): the share of each class in each sample. With probability `balance` a draw picks a class,
    all equally likely, and then a sample in proportion to the class's area in it; else any sample. A class
    that fills 1 % of the pixels is so met as often as the others.
    """
    if not balance:
        return None
    present = areas[:, areas.sum(0) > 0]
    return balance * (present / present.sum(0)).mean(1) + (1 - balance) / len(areas)


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), as many as there are samples: every index once, or drawn by probability.

    The pair is what a dataset is asked for, so that its augmentation can depend on nothing else: neither
    the number of workers nor an interruption changes a sample. Lightning calls `set_epoch`.
    `begun`: the epoch that goes on behind its first so many samples, as (epoch, samples).
    Of several `processes` each takes every so manieth, the one of `rank` 0 the first, and equally many: what does
    not divide is left out. Their batches of equal size are so together the batches that a single process would see.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        probability: NDArray[np.float64] | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.length, self.seed, self.probability, self.epoch = length, seed, probability, 0
        self.rank, self.processes = rank, processes
        self.begun = (0, 0)

    @property
    def done(self) -> int:
        """How many samples of the epoch are behind."""
        epoch, samples = self.begun
        return samples if epoch == self.epoch else 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        random = np.random.default_rng((self.seed, self.epoch))
        drawn = random.choice(self.length, self.length, replace=self.probability is not None, p=self.probability)
        share = drawn[self.rank : len(self) * self.processes : self.processes]
        for index in share[self.done :].tolist():
            yield self.epoch, index

    def __len__(self) -> int:
        return self.length // self.processes


def batches_in_turns(length: int, batch_size: int, rank: int, processes: int) -> list[int]:
    """One process's share of range(length), for evaluation: of its batches in order, the first process takes the
    first, the second the second, and so on in turns. No index is left out or in two shares."""
    starts = range(rank * batch_size, length, processes * batch_size)
    return [index for start in starts for index in range(start, min(start + batch_size, length))]
