"""One way for samples to reach a task: three data sets behind Lightning's loaders."""

from collections.abc import Sized
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from data.sampler import EpochSampler


class Samples(Sized, Protocol):
    """A data set that answers an index, or (epoch, index) for the random variant that training sees."""

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]: ...


class SegmentationData(LightningDataModule):
    """Images and masks for segmentation, with what the task must know about them.

    mean, std    per channel of the training images in [0, 1], for normalisation
    probability  of each training sample to be drawn, as `data.sampler.balanced` gives; None: each once an epoch

    A batch is {"image": (N, 3, H, W) uint8, "mask": (N, H, W) uint8, "name": list of str}.
    """

    def __init__(
        self,
        train: Samples,
        val: Samples,
        test: Samples,
        *,
        name: str,
        classes: list[str],
        palette: list[tuple[int, int, int]],
        class_weights: list[float],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        batch_size: int,
        seed: int,
        probability: NDArray[np.float64] | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if len(class_weights) != len(classes):
            raise ValueError(
                f"data.class_weights has {len(class_weights)} numbers for the {len(classes)} classes of {name}"
            )
        self.train, self.val, self.test = train, val, test
        self.name, self.classes, self.palette = name, classes, palette
        self.class_weights, self.ignore_index = class_weights, ignore_index
        self.mean, self.std = mean, std
        self.batch_size, self.seed, self.probability = batch_size, seed, probability

    def train_dataloader(self) -> DataLoader:
        """Shuffled anew each epoch; the last, smaller batch is left out, so that every step is the same size."""
        if len(self.train) < self.batch_size:
            raise ValueError(
                f"data.batch_size={self.batch_size} is more than the {len(self.train)} training samples of {self.name}"
            )
        sampler = EpochSampler(len(self.train), self.seed, self.probability)
        return DataLoader(self.train, self.batch_size, sampler=sampler, drop_last=True)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        """In order, complete."""
        return DataLoader(self.val, self.batch_size)  # type: ignore[arg-type]

    def test_dataloader(self) -> DataLoader:
        """In order, complete."""
        return DataLoader(self.test, self.batch_size)  # type: ignore[arg-type]
