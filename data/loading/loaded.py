"""A data set ready to be drawn from: what a task and a loader must know of it. Knows tensors, not Lightning."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.loading.augment import Augment


class Samples(Sized, Protocol):
    """A data set of {"image": (C, H, W) uint8, "name": str}, for segmentation with "mask": (H, W) uint8."""

    def __getitem__(self, index: int) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Images:
    """What a task must know of images. mean and std are per channel, of the training images in [0, 1]; span holds the
    values that became 0 and 255 in files of more than 8 bits, None where there are none."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    span: tuple[float, float] | None = field(default=None, kw_only=True)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.mean)


@dataclass(frozen=True)
class LabelledImages(Images):
    """What a segmentation must know besides. Labels are indices into `classes`, or `ignore_index`.

    labels   the number of each class in the masks' files, which predictions are written in; None: 0, 1, 2, ...
    ignored  the numbers there that are no class
    """

    classes: list[str]
    palette: list[tuple[int, int, int]]
    class_weights: list[float]
    ignore_index: int = 255
    labels: list[int] | None = None
    ignored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.class_weights) != len(self.classes):
            raise ValueError(
                f"data.class_weights has {len(self.class_weights)} numbers for the {len(self.classes)} "
                f"classes of {self.name}"
            )


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
