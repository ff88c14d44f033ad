"""Image files without labels: the one way from a list of them to training."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from data.cache import Decoded, Size
from data.files import Finder, Pair
from data.module import DataModule, Images, Samples
from data.samples import FileSamples, stored
from data.statistics import Counts

COUNTED = 100  # training images at most from which mean and deviation are counted


class RandomCrops(Dataset[dict[str, Any]]):
    """Asked for (epoch, index), a random square of size x size pixels, turned by one of the square's eight symmetries,
    seeded by seed, epoch and index alone."""

    def __init__(self, samples: FileSamples, size: int, seed: int) -> None:
        self.samples, self.size, self.seed = samples, size, seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        sample = self.samples[index]
        random = np.random.default_rng((self.seed, epoch, index))
        top, left = (int(random.integers(length - self.size + 1)) for length in sample["image"].shape[1:])
        crop = sample["image"][:, top : top + self.size, left : left + self.size]
        upside_down, mirrored, transposed = random.random(3) < 0.5
        if upside_down:
            crop = crop.flip(-2)
        if mirrored:
            crop = crop.flip(-1)
        return sample | {"image": crop.transpose(-1, -2) if transposed else crop}


def image_module(
    name: str,
    finder: Finder,
    splits: dict[str, list[Pair]],
    size: Callable[[Pair], Size],
    decode: Callable[[Pair], Decoded],
    *,
    train: Callable[[FileSamples], Samples],
    cache: str,
    version: str,
    batch_size: int,
    test_batch_size: int,
    workers: int,
    seed: int,
) -> DataModule:
    """The data of a run on image files, in train, val and test.

    size     of the pixels that `decode` gives of a file, from its header; raises Unreadable, as `decode` does
    train    what training sees of the files of its split
    version  whatever else than its file the pixels of an image depend on
    """
    parts = stored(name, splits, finder, size, decode, cache, version)
    train_files = parts["train"]
    some = np.random.default_rng(seed).permutation(train_files.indices)[:COUNTED].tolist()
    mean, std = Counts(FileSamples(train_files.cache, some)).moments()
    return DataModule(
        Images(name, mean, std),
        train(train_files),
        parts["val"],
        parts["test"],
        batch_size=batch_size,
        test_batch_size=test_batch_size,
        workers=workers,
        seed=seed,
        skipped=finder.skipped,
    )
