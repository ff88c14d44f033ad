"""Images that are all of one size, as a generator learns to draw.

Resizing can print a pattern of its own into images, just what the networks here are measured for: where an image is
resampled by p/q in lowest terms, neighbouring pixels are interpolated at p phases in turn, and what lies between two
pixels of the original comes out smoother than what lies on one. For the antialiased bicubic filter used here, the
variance of white noise then differs between phases by up to 50 % where the size hardly changes (28 to 32, 129 to 128),
12 % from images 1.25 times as large, 5 % from 1.5, 1.5 % from twice and 0.5 % from three times: the largest over all
ratios to 32, 64 and 128 pixels of the filter's summed squared weights. At exactly 1.5 and 2 it is the same at every
phase. So images smaller than the network are refused, and the small published sets come in their own size only.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.augment_options import flips_alone
from data.contract import Known
from data.files.finding import Finder, Pair
from data.files.reading import Header, Unreadable, read_header
from data.forms import Decoded, InFiles, Read, SquareArrays, SquareFiles, SquareOptions
from data.loading.augment import Augment
from data.loading.loaded import ClassedImages, Images, Loaded
from data.loading.photos import load_images
from data.loading.samples import FileSamples, stored

VALIDATION = 5000  # the last of a stack's training images; what is tested is the authors' own test set


class Stack(Dataset[dict[str, Any]]):
    """Images held in memory, (N, C, H, W) uint8, as {"image": (C, H, W) uint8, "name": str}, and with labels (N,) also
    "class": int."""

    def __init__(self, images: NDArray, name: str, labels: NDArray | None) -> None:
        self.images, self.name, self.labels = torch.from_numpy(images), name, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = {"image": self.images[index], "name": f"{self.name}-{index:05d}"}
        return sample if self.labels is None else sample | {"class": int(self.labels[index])}


class Classed(FileSamples):
    """Samples of files as they are, and of each "class": int.

    labels  of the pairs
    """

    def __init__(self, samples: FileSamples, labels: Mapping[Pair, int]) -> None:
        super().__init__(samples.cache, samples.indices, samples.each)
        self.labels = labels

    def __getitem__(self, index: int) -> dict[str, Any]:
        return super().__getitem__(index) | {"class": self.labels[self.cache.pairs[self._at(index)]]}


def load_arrays(arrays: SquareArrays, options: SquareOptions, seed: int) -> Loaded:
    """Images in memory; the last of training are for validation. Raises ValueError where a network wants another
    size."""
    side = arrays.train.shape[-1]
    if options.crop != side:
        raise ValueError(
            f"data.crop is {options.crop}, but images of {arrays.name} are {side} pixels a side, and resizing them "
            f"would print a pattern of its own; set data.crop={side}, for a DCGAN model.size={side}"
        )
    kept = max(1, min(VALIDATION, len(arrays.train) // 2))
    known = (arrays.name, arrays.mean, arrays.std)
    train, test = arrays.labels.get("train"), arrays.labels.get("test")
    return Loaded(
        ClassedImages(*known, arrays.classes) if arrays.classes else Images(*known),
        Stack(arrays.train[:-kept], "train", None if train is None else train[:-kept]),
        Stack(arrays.train[-kept:], "val", None if train is None else train[-kept:]),
        Stack(arrays.test, "test", test),
        augment=Augment({}, side),  # a mirrored shoe or digit would no longer be one of these
        batch_size=options.batch_size,
        test_batch_size=100,
        seed=seed,
    )


def centre_square(image: Tensor, side: int) -> Tensor:
    """The square in the middle of an image (C, H, W) uint8, resized to (C, side, side) uint8, antialiased bicubic."""
    square = min(image.shape[1:])
    top, left = ((length - square) // 2 for length in image.shape[1:])
    cut = image[None, :, top : top + square, left : left + square]
    return F.interpolate(cut, size=(side, side), mode="bicubic", antialias=True)[0]


def look_at_square(pair: Pair, side: int) -> Header:
    """The header of an image. Raises Unreadable for one whose square would have to be enlarged."""
    header = read_header(pair.image)
    height, width = header.upright
    if min(height, width) < side:
        raise Unreadable(
            f"{pair.image} of {height} x {width} pixels is smaller than data.crop={side}, and enlarging it "
            "would print a pattern of its own; train a smaller model.size or remove the image"
        )
    return header


def decoded_square(pair: Pair, read: Read, *, side: int) -> Decoded:
    """The square in the middle of an image file, (3, side, side) uint8."""
    return centre_square(torch.from_numpy(read(pair.image)[0]), side).numpy(), None


def load_files(files: SquareFiles, options: InFiles, finder: Finder, seed: int, known: Known | None) -> Loaded:
    """The squares in the middle of image files, resized to one size."""
    side = options.crop
    flips, notes = flips_alone(options.augment)
    found = stored(
        files.name,
        files.splits,
        finder,
        options,
        partial(look_at_square, side=side),
        partial(decoded_square, side=side),
        f"the middle in {side} pixels",
        known,
        side,
    )
    loaded = load_images(
        files.name,
        found,
        options,
        finder,
        seed,
        Augment(flips, side),
        test_batch_size=options.batch_size,
        notes=[*files.notes, *notes],
    )
    if files.classes:
        loaded.train, loaded.val, loaded.test = (
            Classed(samples, files.labels) if isinstance(samples, FileSamples) else samples
            for samples in (loaded.train, loaded.val, loaded.test)
        )
        info = loaded.info
        loaded.info = ClassedImages(info.name, info.mean, info.std, files.classes, span=info.span)
    return loaded
