"""The order in which samples come, a pure function of seed and epoch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index) for every index once, shuffled anew each epoch.

    The pair is what a dataset is asked for, so that its augmentation can depend on nothing else: neither
    the number of workers nor an interruption changes a sample. Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for index in np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist():
            yield self.epoch, index

    def __len__(self) -> int:
        return self.length
