"""Images that are all of one size, as a generator learns to draw.

Resizing can print a pattern of its own into images, just what the networks here are measured for: where an image is
resampled by p/q in lowest terms, neighbouring pixels are interpolated at p phases in turn, and what lies between two
pixels of the original comes out smoother than what lies on one. For the antialiased bicubic filter used here, the
variance of white noise then differs between phases by up to 50 % where the size hardly changes (28 to 32, 129 to 128),
12 % from images 1.25 times as large, 5 % from 1.5, 1.5 % from twice and 0.5 % from three times: the largest over all
ratios to 32, 64 and 128 pixels of the filter's summed squared weights. At exactly 1.5 and 2 it is the same at every
phase. So images smaller than the network are refused, and the small published sets come in their own size only.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from data.files.cache import Decoded, Size
from data.files.finding import Finder, Pair
from data.files.reading import Unreadable, read_header, read_image
from data.loading.augment import Augment
from data.loading.datamodule import DataModule, Images
from data.loading.unlabelled import image_module

VALIDATION = 5000  # the last of a stack's training images; what is tested is the authors' own test set


def require_size(name: str, side: int, crop: int) -> None:
    """Raise ValueError where images of `side` pixels cannot serve a network of `crop` pixels."""
    if crop != side:
        raise ValueError(
            f"data.crop is {crop}, but images of {name} are {side} pixels a side, and resizing them would print a "
            f"pattern of its own; set data.crop={side}, for a DCGAN model.size={side}"
        )


class Stack(Dataset[dict[str, Tensor | str]]):
    """Images held in memory, (N, C, H, W) uint8, as {"image": (C, H, W) uint8, "name": str}."""

    def __init__(self, images: Tensor, name: str) -> None:
        self.images, self.name = images, name

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        return {"image": self.images[index], "name": f"{self.name}-{index:05d}"}


def stacks(info: Images, train: Tensor, test: Tensor, batch_size: int, seed: int) -> DataModule:
    """Training and test images, (N, C, H, W) uint8, as the data of a run; the last of training are for validation."""
    kept = max(1, min(VALIDATION, len(train) // 2))
    parts = Stack(train[:-kept], "train"), Stack(train[-kept:], "val"), Stack(test, "test")
    as_they_are = Augment({}, train.shape[-1])  # a mirrored shoe or digit would no longer be one of these
    return DataModule(info, *parts, augment=as_they_are, batch_size=batch_size, seed=seed, test_batch_size=100)


def middle(image: Tensor, side: int) -> Tensor:
    """The square in the middle of an image (C, H, W) uint8, resized to (C, side, side) uint8, antialiased bicubic."""
    square = min(image.shape[1:])
    top, left = ((length - square) // 2 for length in image.shape[1:])
    cut = image[None, :, top : top + square, left : left + square]
    return F.interpolate(cut, size=(side, side), mode="bicubic", antialias=True)[0]


def resized(
    name: str,
    finder: Finder,
    splits: dict[str, list[Pair]],
    side: int,
    *,
    augment: dict[str, Any],
    batch_size: int,
    **loading: Any,
) -> DataModule:
    """The data of a run on the squares in the middle of image files, resized to side x side pixels."""

    def size(pair: Pair) -> Size:
        found = read_header(pair.image).upright
        if min(found) < side:
            raise Unreadable(
                f"{pair.image} of {found[0]} x {found[1]} pixels is smaller than data.crop={side}, and enlarging it "
                "would print a pattern of its own; train a smaller model.size or remove the image"
            )
        return side, side

    def decode(pair: Pair) -> Decoded:
        return middle(read_image(pair.image), side), None

    return image_module(
        name,
        finder,
        splits,
        size,
        decode,
        augment=Augment(augment, side),
        version=f"the middle in {side} pixels",
        batch_size=batch_size,
        test_batch_size=batch_size,
        **loading,
    )
