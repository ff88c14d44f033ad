"""Image files without labels: the one way from a list of them to training."""

from collections.abc import Callable, Sequence

import numpy as np

from data.files.cache import Decoded, Size
from data.files.finding import Finder, Pair
from data.loading.augment import Augment
from data.loading.datamodule import DataModule, Images
from data.loading.samples import FileSamples, stored
from data.loading.statistics import Counts

COUNTED = 100  # training images at most from which mean and deviation are counted


def image_module(
    name: str,
    finder: Finder,
    splits: dict[str, list[Pair]],
    size: Callable[[Pair], Size],
    decode: Callable[[Pair], Decoded],
    *,
    augment: Augment,
    each: int = 1,
    cache: str,
    version: str,
    batch_size: int,
    test_batch_size: int,
    workers: int,
    seed: int,
    notes: Sequence[str] = (),
) -> DataModule:
    """The data of a run on image files, in train, val and test.

    size     of the pixels that `decode` gives of a file, from its header; raises Unreadable, as `decode` does
    each     random crops of each training image in an epoch
    version  whatever else than its file the pixels of an image depend on
    """
    parts = stored(name, splits, finder, size, decode, cache, version)
    train_files = parts["train"]
    some = np.random.default_rng(seed).permutation(train_files.indices)[:COUNTED].tolist()
    mean, std = Counts(FileSamples(train_files.cache, some)).moments()
    return DataModule(
        Images(name, mean, std),
        FileSamples(train_files.cache, train_files.indices, each),
        parts["val"],
        parts["test"],
        augment=augment,
        batch_size=batch_size,
        test_batch_size=test_batch_size,
        workers=workers,
        seed=seed,
        notes=[*notes, *finder.notes()],
        skipped=finder.skipped,
    )
