"""Image files without labels, ready to be drawn from: random crops to train on, whole images to validate and test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.contract import Known
from data.degrade_options import read_degrade
from data.files.finding import Finder, Pair
from data.files.reading import Header, Unreadable, read_header
from data.forms import Decoded, InFiles, PhotoFiles, Read, ReducedOptions
from data.loading.augment import Augment
from data.loading.loaded import Images, Loaded, ReducedImages
from data.loading.samples import FileSamples, Stored, split_samples, stored
from data.loading.statistics import Counts
from data.reduced.degradation import DegradedSamples, DegradingAugment
from plumbing.options import OptionError

COUNTED = 100  # training images at most from which mean and deviation are counted


def load(files: PhotoFiles, options: ReducedOptions, finder: Finder, seed: int, known: Known | None) -> Loaded:
    """Check and cache all files, count moments; validation and test take one image at a time, since sizes differ."""
    look = CropsFit(frozenset(files.splits.get("train", [])), options.crop)
    found = stored(files.name, files.splits, finder, options, look, whole_image, "", known)
    degradation = read_degrade(options.degrade)
    if not degradation:
        augment = Augment(options.augment, options.crop)
        return load_images(files.name, found, options, finder, seed, augment, options.crops_per_image)
    if files.scale is None:
        raise OptionError("data.degrade makes small images, and data.scale does not say how small; set it")
    augment = DegradingAugment(options.augment, options.crop, files.scale, degradation)
    loaded = load_images(files.name, found, options, finder, seed, augment, options.crops_per_image)
    loaded.val, loaded.test = (
        DegradedSamples(samples, files.scale, degradation) if isinstance(samples, FileSamples) else samples
        for samples in (loaded.val, loaded.test)
    )
    info = loaded.info
    loaded.info = ReducedImages(info.name, info.mean, info.std, str(degradation), span=info.span)
    return loaded


@dataclass(frozen=True)
class CropsFit:
    """The header of an image. Raises Unreadable where a training image is smaller than a crop."""

    trained_on: frozenset[Pair]
    crop: int

    def __call__(self, pair: Pair) -> Header:
        header = read_header(pair.image)
        height, width = header.upright
        if pair in self.trained_on and self.crop > min(height, width):
            raise Unreadable(
                f"data.crop={self.crop} does not fit {pair.image} of {height} x {width} pixels; choose a crop from 1 "
                f"to {min(height, width)} or remove the image"
            )
        return header


def whole_image(pair: Pair, read: Read) -> Decoded:
    """The image, (3, H, W) uint8."""
    return read(pair.image)[0], None


def load_images(
    name: str,
    found: Stored,
    options: InFiles,
    finder: Finder,
    seed: int,
    augment: Augment,
    each: int = 1,
    test_batch_size: int = 1,
    notes: Sequence[str] = (),
) -> Loaded:
    """Images of any form; mean and deviation of the training images, or where there are none of those to score.

    each  random crops of each training image in an epoch
    """
    counted = found.parts["train" if "train" in found.parts else "test"]
    some = np.random.default_rng(seed).permutation(counted.indices)[:COUNTED].tolist()
    mean, std = Counts(FileSamples(counted.cache, some)).moments()
    train, val, test = split_samples(found.parts, each)
    return Loaded(
        Images(name, mean, std, span=found.span),
        train,
        val,
        test,
        augment=augment,
        batch_size=options.batch_size,
        test_batch_size=test_batch_size,
        workers=options.workers,
        seed=seed,
        notes=[*notes, *found.notes, *finder.notes()],
        skipped=finder.skipped,
    )
