"""One way for samples to reach a task: three data sets behind Lightning's loaders."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torchvision.transforms.v2  # noqa: F401  # crops need it: workers that find it imported do not import it each
from pytorch_lightning import LightningDataModule
from torch.utils.data import Dataset

from data.loading.augment import Augment
from data.loading.loaded import Loaded, Samples
from data.loading.sampler import EpochSampler, batches_in_turns
from data.loading.workers import Loader, Prepared


class Augmented(Dataset[dict[str, Any]]):
    """The variants of samples that training sees. Asked for (epoch, index), what is random about the answer depends
    on (seed, epoch, index) alone: neither the number of workers nor an interruption changes it."""

    def __init__(self, samples: Samples, augment: Augment, seed: int) -> None:
        self.samples, self.augment, self.seed = samples, augment, seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        return self.augment(self.samples[index], np.random.default_rng((self.seed, epoch, index)))


class Resumable(Loader):
    """A loader that goes on inside an epoch: Lightning keeps its state in checkpoints.

    Its sampler is an `EpochSampler`, whose order depends on seed and epoch alone, so the position is all there is to
    keep. Batches that workers have ready but that training has not seen do not count.
    """

    sampler: EpochSampler
    batch_size: int
    given = 0  # batches of the epoch, those before an interruption included

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch's loader promises a class of its own
        self.given = self.sampler.done // self.batch_size
        for batch in super().__iter__():
            self.given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch and how many of its batches were given out."""
        return {"epoch": self.sampler.epoch, "batches": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where a loader was that had this state."""
        self.sampler.begun = state["epoch"], state["batches"] * self.batch_size


class Numbered(Dataset[dict[str, Any]]):
    """Samples as they are, each with its place: what is measured of the first ones does not depend on who sees them."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index] | {"index": index}


class DataModule(LightningDataModule):
    """Training, validation and test samples of one kind, `info` telling which.

    A batch is {"image": (N, C, H, W) uint8, "name": list of str}, for segmentation with "mask": (N, H, W) uint8, for
    regression with "target": (N, H, W) float32, of images of classes with "class": (N,) int64, of large images whose
    small ones are not plain reductions with "low": (N, C, h, w) uint8, and for validation and test with "index": (N,)
    int64, the places in the data set. Where Lightning runs several processes, each sees its share of the batches:
    equally many in training, every sample once in validation and test.
    """

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self.info, self.train, self.val, self.test = loaded.info, loaded.train, loaded.val, loaded.test
        self.batch_size, self.test_batch_size = loaded.batch_size, loaded.test_batch_size or loaded.batch_size
        self.augment, self.seed, self.probability = loaded.augment, loaded.seed, loaded.probability
        self.workers, self.notes, self.skipped = loaded.workers, loaded.notes, loaded.skipped
        self.prepared: list[Prepared] = []  # of each loader made

    @property
    def _share(self) -> tuple[int, int]:
        """Which process of how many this is."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _options(self) -> dict[str, Any]:
        return {
            "num_workers": self.workers,
            "persistent_workers": self.workers > 0,
            "pin_memory": torch.cuda.is_available(),
            # Of its own: a loader would draw from the numbers that dropout draws from, more often in a resumed run.
            "generator": torch.Generator(),
        }

    def _prepared(self, dataset: Augmented | Numbered, samples: Samples) -> Prepared:
        self.prepared.append(Prepared(dataset, samples, self.workers))
        return self.prepared[-1]

    def train_dataloader(self) -> Loader:
        """Shuffled anew each epoch; the last, smaller batch is left out, so that every step is the same size."""
        if len(self.train) < self.batch_size:
            raise ValueError(
                f"data.batch_size={self.batch_size} is more than the {len(self.train)} training samples "
                f"of {self.info.name}"
            )
        rank, processes = self._share
        if self.batch_size % processes:
            raise ValueError(
                f"data.batch_size={self.batch_size} cannot be shared out to {processes} processes; "
                "choose a multiple, or other trainer.devices"
            )
        sampler = EpochSampler(len(self.train), self.seed, self.probability, rank, processes)
        samples = self._prepared(Augmented(self.train, self.augment, self.seed), self.train)
        return Resumable(samples, self.batch_size // processes, sampler=sampler, drop_last=True, **self._options())

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Turn and colour a batch of training where data.augment.device left that to the device."""
        return self.augment.finish(batch)

    def _in_order(self, samples: Samples) -> Loader:
        rank, processes = self._share
        if len(samples) < processes:
            raise ValueError(
                f"{self.info.name} has {len(samples)} images to score, too few for one in each of {processes} "
                "processes; choose fewer trainer.devices"
            )
        batch_size = min(self.test_batch_size, len(samples) // processes)  # so that no process goes without
        sampler = batches_in_turns(len(samples), batch_size, rank, processes)
        return Loader(self._prepared(Numbered(samples), samples), batch_size, sampler=sampler, **self._options())

    def val_dataloader(self) -> Loader:
        """In order, complete."""
        return self._in_order(self.val)

    def test_dataloader(self) -> Loader:
        """In order, complete."""
        return self._in_order(self.test)
