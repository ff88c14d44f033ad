"""The forms in which data sets say what they hold, and the options that all sets of a form share.

A form is of one kind of data or more. It knows files and pixels, not how they reach a training: that is data/loading/.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from data.files.finding import Finder, Pair
from data.files.reading import Colours, check_mask, read_header, read_image, read_mask, refuse_labels
from plumbing.options import Range

Kind = Literal["labelled_images", "high_resolution_images", "images_of_one_size"]
RGB = tuple[int, int, int]
Size = tuple[int, int]  # height, width
Decoded = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]  # image (3, H, W) and, of a pair, its labels (H, W)
Count = Annotated[int, Range(1)]


@dataclass(frozen=True)
class InFiles:
    """What all sets that lie in files share: conf/data/common/unlabelled.yaml."""

    crop: Count
    batch_size: Count
    augment: dict[str, Any]
    cache: Literal["ram", "disk", "none"]
    workers: Annotated[int, Range(0)]
    on_error: Literal["raise", "skip"]

    def finder(self) -> Finder:
        """What lists the files; images need no masks."""
        return Finder(self.on_error, "skip")


@dataclass(frozen=True)
class LabelledOptions(InFiles):
    """conf/data/common/labelled.yaml."""

    crops_per_image: Count
    balance: Annotated[float, Range(0, 1)]
    class_weights: Literal["balanced", "equal"] | list[float]
    mean: list[float] | None
    std: list[float] | None
    unlabelled: Literal["refuse", "skip"]

    def finder(self) -> Finder:
        """What lists the files and pairs them with their masks."""
        return Finder(self.on_error, self.unlabelled)


@dataclass(frozen=True)
class PhotoOptions(InFiles):
    """conf/data/common/photos.yaml, less what names a folder to test on."""

    crops_per_image: Count


@dataclass(frozen=True)
class WindowOptions:
    """Of windows of one large picture."""

    batch_size: Count
    balance: Annotated[float, Range(0, 1)]
    class_weights: list[float]
    augment: dict[str, Any]


@dataclass(frozen=True)
class SquareOptions:
    """Of images that are all of one size already."""

    crop: Count
    batch_size: Count


@dataclass(frozen=True)
class LabelledFiles:
    """Images with masks in files.

    splits        train, val and test; test may be the same list as val
    relabel       from the label in a mask's file to the label trained on, (256,) integers, -1 where it may not occur;
                  None: as they are
    colours       of RGB masks: colour to label in the file
    notes         what a user should know, printed once
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("labelled_images",)
    Options: ClassVar[type] = LabelledOptions

    name: str
    classes: list[str]
    palette: list[RGB]
    splits: dict[str, list[Pair]]
    ignore_index: int = 255
    relabel: NDArray[np.int16] | None = None
    colours: Colours | None = None
    notes: list[str] = field(default_factory=list)

    def table(self) -> NDArray[np.int16]:
        """(256,) from the label in a mask's file to the label trained on, -1 for what may not occur."""
        if self.relabel is not None:
            return self.relabel
        table = np.full(256, -1, np.int16)
        table[: len(self.classes)] = np.arange(len(self.classes))
        table[self.ignore_index] = self.ignore_index
        return table

    def size(self, pair: Pair) -> Size:
        """Height and width of a pair, from its headers. Raises Unreadable where the two do not fit together."""
        image = read_header(pair.image)
        if pair.mask is not None:
            check_mask(pair.mask, read_header(pair.mask), image, self.colours)
        return image.upright

    def decode(self, pair: Pair) -> Decoded:
        """The image (3, H, W) uint8 and its labels (H, W) uint8. Raises Unreadable."""
        image = read_image(pair.image)
        if pair.mask is None:
            return image, None
        stored = read_mask(pair.mask, read_header(pair.image), self.colours)
        labels = self.table()[stored]
        if (labels < 0).any():
            known = np.flatnonzero(self.table() >= 0).tolist()
            refuse_labels(
                pair.mask,
                stored,
                labels < 0,
                f"{self.name} has {len(self.classes)} classes, labelled {spans(known)}; correct the mask, name the "
                "class, or ignore the label by data.ignore_index",
            )
        return image, labels.astype(np.uint8)


def spans(numbers: list[int]) -> str:
    """Sorted numbers in words, such as "0 to 10 and 255"."""
    breaks = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in pairwise(breaks)]
    return " and ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@dataclass(frozen=True)
class PhotoFiles:
    """Image files to enlarge to: training takes random crops, validation and test take whole images."""

    kinds: ClassVar[tuple[Kind, ...]] = ("high_resolution_images",)
    Options: ClassVar[type] = PhotoOptions

    name: str
    splits: dict[str, list[Pair]]


@dataclass(frozen=True)
class SquareFiles:
    """Image files of which the square in the middle is taken, resized to one size, for generation."""

    kinds: ClassVar[tuple[Kind, ...]] = ("images_of_one_size",)
    Options: ClassVar[type] = InFiles

    name: str
    splits: dict[str, list[Pair]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SquareArrays:
    """Images of one size in memory, (N, C, S, S) uint8, for generation. Validation takes the last of `train`.

    mean, std  of each channel over the training images, in [0, 1]
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images_of_one_size",)
    Options: ClassVar[type] = SquareOptions

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: NDArray[np.uint8]
    test: NDArray[np.uint8]


@dataclass(frozen=True)
class Windows:
    """Windows of one large labelled picture.

    picture  gives the image (H, W, 3) and its labels (H, W), both uint8, where pixels are asked for
    sides    of the windows of train, val and test, in pixels
    corners  (top, left) of each window of a split
    areas    (n, K): the share of each class in each training window
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("labelled_images", "high_resolution_images", "images_of_one_size")
    Options: ClassVar[type] = WindowOptions

    name: str
    classes: list[str]
    palette: list[RGB]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    picture: Callable[[], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    sides: dict[str, int]
    corners: dict[str, list[tuple[int, int]]]
    areas: NDArray[np.float64]


Form = LabelledFiles | PhotoFiles | SquareFiles | SquareArrays | Windows
