"""Image files without labels, ready to be drawn from: random crops to train on, whole images to validate and test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.files.finding import Finder, Pair
from data.files.reading import Unreadable, read_header, read_image
from data.forms import Decoded, InFiles, PhotoFiles, PhotoOptions, Size
from data.loading.augment import Augment
from data.loading.loaded import Images, Loaded
from data.loading.samples import FileSamples, stored
from data.loading.statistics import Counts

COUNTED = 100  # training images at most from which mean and deviation are counted


def load(files: PhotoFiles, options: PhotoOptions, finder: Finder, seed: int) -> Loaded:
    """Check and cache all files, count moments; validation and test take one image at a time, since sizes differ."""
    size = CropsFit(frozenset(files.splits["train"]), options.crop)
    augment = Augment(options.augment, options.crop)
    return load_images(
        files.name, files.splits, options, finder, seed, size, whole_image, augment, options.crops_per_image
    )


@dataclass(frozen=True)
class CropsFit:
    """Height and width of an image. Raises Unreadable where a training image is smaller than a crop."""

    trained_on: frozenset[Pair]
    crop: int

    def __call__(self, pair: Pair) -> Size:
        height, width = read_header(pair.image).upright
        if pair in self.trained_on and self.crop > min(height, width):
            raise Unreadable(
                f"data.crop={self.crop} does not fit {pair.image} of {height} x {width} pixels; choose a crop from 1 "
                f"to {min(height, width)} or remove the image"
            )
        return height, width


def whole_image(pair: Pair) -> Decoded:
    """The image, (3, H, W) uint8."""
    return read_image(pair.image), None


def load_images(
    name: str,
    splits: dict[str, list[Pair]],
    options: InFiles,
    finder: Finder,
    seed: int,
    size: Callable[[Pair], Size],
    decode: Callable[[Pair], Decoded],
    augment: Augment,
    each: int = 1,
    test_batch_size: int = 1,
    version: str = "",
    notes: Sequence[str] = (),
) -> Loaded:
    """Images of any form.

    size     of the pixels that `decode` gives of a file, from its header; raises Unreadable, as `decode` does
    each     random crops of each training image in an epoch
    version  whatever else than its file the pixels of an image depend on
    """
    parts = stored(name, splits, finder, size, decode, options.cache, version)
    train_files = parts["train"]
    some = np.random.default_rng(seed).permutation(train_files.indices)[:COUNTED].tolist()
    mean, std = Counts(FileSamples(train_files.cache, some)).moments()
    return Loaded(
        Images(name, mean, std),
        FileSamples(train_files.cache, train_files.indices, each),
        parts["val"],
        parts["test"],
        augment=augment,
        batch_size=options.batch_size,
        test_batch_size=test_batch_size,
        workers=options.workers,
        seed=seed,
        notes=[*notes, *finder.notes()],
        skipped=finder.skipped,
    )
