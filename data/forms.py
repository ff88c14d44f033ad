"""The forms in which data sets say what they hold, and the options that all sets of a form share.

A form is of one kind of data or more. It knows files and pixels, not how they reach a training: that is data/loading/.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from data.files.bands import Bands, NoData, Wish
from data.files.bands import read as read_bands
from data.files.finding import Finder, Pair
from data.files.masks import Colours, check_mask, read_mask, refuse_labels
from data.files.planes.numbers import check_planes, read_planes
from data.files.reading import Header, Unreadable, read_header
from plumbing.options import OptionError, Range

Kind = Literal["labelled_images", "images_with_values", "high_resolution_images", "images_of_one_size"]
RGB = tuple[int, int, int]
Size = tuple[int, int]  # height, width
Decoded = tuple[NDArray[Any], NDArray[Any] | None]  # image (C, H, W) and, of a pair, its labels or values (H, W)
Read = Callable[
    [Path], tuple[NDArray[Any], NDArray[np.bool_] | None]
]  # an image, and where it has no data, if anywhere
Count = Annotated[int, Range(1)]
IGNORED = 255  # the label trained on as no class, whatever number the files have for it


@dataclass(frozen=True)
class InFiles:
    """What all sets that lie in files share: conf/data/common/unlabelled.yaml."""

    crop: Count
    batch_size: Count
    augment: dict[str, Any]
    cache: Literal["ram", "disk", "none"]
    workers: Annotated[int, Range(0)]
    on_error: Literal["raise", "skip"]
    range: list[float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.range is not None and not (len(self.range) == 2 and self.range[0] < self.range[1]):
            raise OptionError(f"data.range must be two numbers, the darkest and the brightest value, not {self.range}")

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
    absent_classes: Literal["refuse", "keep"] = "refuse"

    def finder(self) -> Finder:
        """What lists the files and pairs them with their masks."""
        return Finder(self.on_error, self.unlabelled)


@dataclass(frozen=True)
class ValuedOptions(InFiles):
    """Of conf/data/common/labelled.yaml what concerns images with a number for each pixel."""

    crops_per_image: Count
    mean: list[float] | None
    std: list[float] | None
    unlabelled: Literal["refuse", "skip"]

    def finder(self) -> Finder:
        """What lists the files and pairs them with their values."""
        return Finder(self.on_error, self.unlabelled)


@dataclass(frozen=True)
class PhotoOptions(InFiles):
    """conf/data/common/photos.yaml, less what names a folder to test on."""

    crops_per_image: Count


@dataclass(frozen=True)
class ReducedOptions(PhotoOptions):
    """Those of photographs that small images are made of."""

    degrade: dict[str, Any] | None = None


@dataclass(frozen=True)
class WindowOptions:
    """Of windows of one large picture."""

    batch_size: Count
    balance: Annotated[float, Range(0, 1)]
    class_weights: list[float]
    augment: dict[str, Any]


@dataclass(frozen=True)
class ValuedWindowOptions:
    """Of windows of one large picture with a number for each pixel."""

    batch_size: Count
    augment: dict[str, Any]


@dataclass(frozen=True)
class SquareOptions:
    """Of images that are all of one size already."""

    crop: Count
    batch_size: Count


@dataclass(frozen=True)
class LabelledFiles:
    """Images with masks in files.

    splits   train, val and test; test may be the same list as val. Where data only score a network, test alone
    labels   the number of each class in the files; None: 0, 1, 2, ...
    ignored  numbers in the files that stand for no class
    colours  of RGB masks: colour to number
    notes    what a user should know, printed once
    wish     what is asked of bands; None: images are read as pictures of three colours
    member   the number that says in a mask of its own that a pixel is of a class; None: each pixel is of one class.
             Masks are then the planes of each pair, or the bands of its mask's file
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("labelled_images",)
    Options: ClassVar[type] = LabelledOptions

    name: str
    classes: list[str]
    palette: list[RGB]
    splits: dict[str, list[Pair]]
    labels: list[int] | None = None
    ignored: tuple[int, ...] = (255,)
    colours: Colours | None = None
    notes: list[str] = field(default_factory=list)
    wish: Wish | None = None
    member: int | None = None

    @property
    def planes(self) -> int | None:
        """How many planes a mask has, where classes may overlap; None: it is one of labels."""
        return None if self.member is None else len(self.classes)

    def numbers(self) -> list[int]:
        """The number of each class in the files."""
        return list(range(len(self.classes))) if self.labels is None else self.labels

    def look(self, pair: Pair) -> Header:
        """What the image's header says. Raises Unreadable where its mask does not fit."""
        image = read_header(pair.image)
        if self.member is not None:
            check_planes(pair, image, len(self.classes))
        elif pair.mask is not None:
            check_mask(pair.mask, read_header(pair.mask), image, self.colours)
        return image

    def decode(self, pair: Pair, read: Read) -> Decoded:
        """The image as `read` gives it, and its labels (H, W) uint8: places in `classes`, or IGNORED, as where there is
        no data; of classes that may overlap planes (K, H, W) uint8 of 0, 1 or IGNORED. Raises Unreadable."""
        image, missing = read(pair.image)
        if pair.mask is None:
            return image, None
        if self.member is not None:
            stored = read_planes(pair, read_header(pair.image), len(self.classes))
            planes = renumbered(stored, [self.member, 0, *self.ignored], [1, 0, *[IGNORED] * len(self.ignored)])
            if (planes < 0).any():
                refuse_labels(
                    pair.mask,
                    stored,
                    planes < 0,
                    f"masks of one class hold 0 and {self.member}; correct it, or set data.ignore_index",
                )
            if missing is not None:
                planes[:, missing] = IGNORED
            return image, planes.astype(np.uint8)
        stored = read_mask(pair.mask, read_header(pair.image), self.colours)
        numbers = self.numbers()
        labels = renumbered(stored, [*numbers, *self.ignored], [*range(len(numbers)), *[IGNORED] * len(self.ignored)])
        if (labels < 0).any():
            known = sorted({*numbers, *self.ignored})
            refuse_labels(
                pair.mask,
                stored,
                labels < 0,
                f"{self.name} has {len(self.classes)} classes, labelled {spans(known)}; correct the mask, name the "
                "class, or ignore the label by data.ignore_index",
            )
        if missing is not None:
            labels[missing] = IGNORED
        return image, labels.astype(np.uint8)


def renumbered(stored: NDArray[Any], known: list[int], become: list[int]) -> NDArray[np.int16]:
    """Whole numbers (...) as what they become, -1 where they are not known. The first of equal known numbers counts."""
    table = dict(zip(reversed(known), reversed(become), strict=True))
    if stored.dtype in (np.uint8, np.bool_):
        short = np.full(256, -1, np.int16)
        for number, label in table.items():
            if 0 <= number < 256:
                short[number] = label
        return short[stored.astype(np.uint8)]
    numbers = np.array(sorted(table), np.int64)
    new = np.array([table[number] for number in sorted(table)], np.int16)
    at = np.searchsorted(numbers, stored).clip(max=len(numbers) - 1)
    return np.where(numbers[at] == stored, new[at], np.int16(-1))


def spans(numbers: list[int]) -> str:
    """Sorted numbers in words, such as "0 to 10 and 255"."""
    breaks = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in pairwise(breaks)]
    return " and ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@dataclass(frozen=True)
class ValuedFiles:
    """Images with a number for each pixel, in files beside them: grey images or TIFF of one band.

    splits   as of LabelledFiles
    unit     of the numbers, for people: "m"; "": not said
    nodata   the number in the files that stands for no value, as `Bands` has it
    notes    what a user should know, printed once
    wish     what is asked of the images' bands; None: they are read as pictures of three colours
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images_with_values",)
    Options: ClassVar[type] = ValuedOptions

    name: str
    splits: dict[str, list[Pair]]
    unit: str
    nodata: NoData
    notes: list[str] = field(default_factory=list)
    wish: Wish | None = None

    def look(self, pair: Pair) -> Header:
        """What the image's header says. Raises Unreadable where its values do not fit."""
        image = read_header(pair.image)
        if pair.mask is not None:
            values = read_header(pair.mask)
            if values.bands != 1 or values.mode in ("P", "PA"):
                raise Unreadable(
                    f"{pair.mask} has {values.bands} bands ({values.mode}); save one number a pixel, as grey PNG "
                    "of 8 or 16 bits or as TIFF"
                )
            if values.upright != image.upright:
                raise Unreadable(
                    f"{pair.mask} has {' x '.join(map(str, values.upright))} pixels, its image "
                    f"{' x '.join(map(str, image.upright))}; save both in one size"
                )
        return image

    def decode(self, pair: Pair, read: Read) -> Decoded:
        """The image as `read` gives it, and its values (H, W) float32, NaN where there is none, or the image has no
        data. Raises Unreadable."""
        image, missing = read(pair.image)
        if pair.mask is None:
            return image, None
        values = read_bands(pair.mask, Bands((1,), True, self.nodata, (float("nan"),), (1,)))[0][0]
        if missing is not None:
            values[missing] = np.nan
        return image, values


@dataclass(frozen=True)
class PhotoFiles:
    """Image files to enlarge to: training takes random crops, validation and test take whole images.

    scale  of the network, where small images are made here
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("high_resolution_images",)
    Options: ClassVar[type] = ReducedOptions

    name: str
    splits: dict[str, list[Pair]]
    scale: int | None


@dataclass(frozen=True)
class PairFiles:
    """Image files to enlarge to, each with the small one that it is to be made of.

    splits  of the large images, as of LabelledFiles
    low     the small image of each
    scale   how many times larger they are; None: as of the first
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("high_resolution_images",)
    Options: ClassVar[type] = PhotoOptions

    name: str
    splits: dict[str, list[Pair]]
    low: dict[Pair, Pair]
    scale: int | None
    notes: list[str]


@dataclass(frozen=True)
class SquareFiles:
    """Image files of which the square in the middle is taken, resized to one size, for generation.

    classes  of which the images are, [] where they are of none; labels: the place in `classes` of each image
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images_of_one_size",)
    Options: ClassVar[type] = InFiles

    name: str
    splits: dict[str, list[Pair]]
    notes: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    labels: dict[Pair, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SquareArrays:
    """Images of one size in memory, (N, C, S, S) uint8, for generation. Validation takes the last of `train`.

    mean, std  of each channel over the training images, in [0, 1]
    classes    of which the images are, [] where that is not known
    labels     of train and test, the place in `classes` of each image, (N,) uint8; {} without classes
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images_of_one_size",)
    Options: ClassVar[type] = SquareOptions

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    classes: list[str] = field(default_factory=list)
    labels: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True)
class Windows:
    """Windows of one large labelled picture.

    picture  gives the image (H, W, C) and its labels (H, W), both uint8, where pixels are asked for
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


@dataclass(frozen=True)
class BandWindows(Windows):
    """Windows of one large labelled picture of any bands, which are no images to make or to enlarge."""

    kinds: ClassVar[tuple[Kind, ...]] = ("labelled_images",)

    bands: Bands


@dataclass(frozen=True)
class ValuedWindows:
    """Windows of one large picture with a number for each pixel.

    picture  gives the image (H, W, 3) uint8 and its values (H, W) float32, NaN where there is none
    unit     of the numbers; sides and corners: as of Windows
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images_with_values",)
    Options: ClassVar[type] = ValuedWindowOptions

    name: str
    unit: str
    picture: Callable[[], tuple[NDArray[np.uint8], NDArray[np.float32]]]
    sides: dict[str, int]
    corners: dict[str, list[tuple[int, int]]]


Form = LabelledFiles | ValuedFiles | PhotoFiles | PairFiles | SquareFiles | SquareArrays | Windows | ValuedWindows
