"""A data set ready to be drawn from: what a task and a loader must know of it. Knows tensors, not Lightning."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.files.bands import Bands
from data.loading.augment import Augment

COLOURS = "viridis"  # of values in pictures


class Samples(Sized, Protocol):
    """A data set of {"image": (C, H, W) uint8 or, of bands, float32, "name": str}, for segmentation with "mask": (H, W)
    uint8, for regression with "target": (H, W) float32, NaN where there is no value, and of images that are of classes
    with "class": int, the place among these. Of high-resolution images those that are not reduced by bicubic alone come
    with "low": (C, H/scale, W/scale) uint8."""

    def __getitem__(self, index: int) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Images:
    """What a task must know of images. mean and std are per channel, of the training images in [0, 1] or, where bands
    come in float32, in stored numbers; span holds the values that became 0 and 255 in files of more than 8 bits, None
    where there are none; bands says which are taken as they are stored, None: pictures of three colours."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    span: tuple[float, float] | None = field(default=None, kw_only=True)
    bands: Bands | None = field(default=None, kw_only=True)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour, or as many as bands are taken."""
        return len(self.mean)

    def picture(self, image: Tensor) -> Tensor:
        """Images (..., C, H, W) as they can be shown, (..., 3, H, W) uint8, or (..., 1, H, W) where one band is.

        Pictures are as they are, of bands it is those of data.show, as `levels` has them.
        """
        return image if self.bands is None else self.levels(image, self.bands.shown)

    def levels(self, image: Tensor, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Channels of images (..., C, H, W) in uint8: in float32 each is spread from two standard deviations below its
        mean to two above, over 0 to 255.

        which  the places of the channels
        """
        image = image[..., which, :, :]
        if image.dtype == torch.uint8:
            return image
        mean, std = (image.new_tensor(each)[which][:, None, None] for each in (self.mean, self.std))
        return ((image - mean) / std * 64 + 128).clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class LabelledImages(Images):
    """What a segmentation must know besides. Labels are indices into `classes`, or `ignore_index`.

    labels   the number of each class in the masks' files, which predictions are written in; None: 0, 1, 2, ...
    ignored  the numbers there that are no class
    overlapping  masks are (K, H, W), a plane a class: 1 where it is, 0 where not, `ignore_index` where none knows
    """

    classes: list[str]
    palette: list[tuple[int, int, int]]
    class_weights: list[float]
    ignore_index: int = 255
    labels: list[int] | None = None
    ignored: tuple[int, ...] = ()
    overlapping: bool = False

    def __post_init__(self) -> None:
        if len(self.class_weights) != len(self.classes):
            raise ValueError(
                f"data.class_weights has {len(self.class_weights)} numbers for the {len(self.classes)} "
                f"classes of {self.name}"
            )


@dataclass(frozen=True)
class Values:
    """What is known of the numbers that a regression learns: their unit, for people, "" where none is said; mean and
    standard deviation of the training images'; and the two that 1 % of these lie below and above, for pictures."""

    unit: str
    mean: float
    std: float
    low: float
    high: float

    def picture(self, values: Tensor) -> NDArray[np.uint8]:
        """Values (H, W) as a picture (H, W, 3) uint8 in COLOURS, which span `low` to `high`; black where NaN."""
        from matplotlib import colormaps  # here: training draws nothing until its end

        share = ((values - self.low) / (self.high - self.low)).clamp(0, 1).numpy()
        picture = colormaps[COLOURS](share, bytes=True)[..., :3].copy()
        picture[np.isnan(share)] = 0
        return picture


@dataclass(frozen=True)
class ClassedImages(Images):
    """What a generator of classes must know besides: their names."""

    classes: list[str]


@dataclass(frozen=True)
class ReducedImages(Images):
    """What a super-resolution must know besides where its small images are not plain bicubic reductions: in words, how
    they come about."""

    reduction: str


@dataclass(frozen=True)
class ValuedImages(Images):
    """What a regression must know besides."""

    values: Values


@dataclass
class Loaded:
    """Training, validation and test samples of one kind, `info` telling which.

    augment      what makes a training sample of a sample of `train`
    test_batch_size  of validation and test; None: batch_size
    probability  of each training sample to be drawn, as `data.loading.sampler.balanced` gives; None: each once an epoch
    workers      processes that prepare batches; 0: none, they are prepared between steps
    notes        what a user should know, in lines for the log of a run
    skipped      a sentence for each file that was left out as unusable
    """

    info: Images
    train: Samples
    val: Samples
    test: Samples
    augment: Augment
    batch_size: int
    seed: int
    test_batch_size: int | None = None
    probability: NDArray[np.float64] | None = None
    workers: int = 0
    notes: Sequence[str] = ()
    skipped: Sequence[str] = field(default_factory=list)
