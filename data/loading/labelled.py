"""Images with masks in files: what a data set of them is, and the one way from there to training.

A published set, or a folder of one's own, is a function that lists its files and returns a LabelledFiles.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data.files.cache import Decoded, Size
from data.files.finding import Finder, Pair
from data.files.reading import Colours, check_mask, read_header, read_image, read_mask, refuse_labels
from data.loading.augment import Augment
from data.loading.datamodule import DataModule, LabelledImages
from data.loading.sampler import balanced
from data.loading.samples import FileSamples, stored
from data.loading.statistics import Counts, balanced_weights
from plumbing.options import check_options

COUNTED = 500  # training images at most in which mean, deviation and classes are counted
RGB = tuple[int, int, int]


@dataclass(frozen=True)
class LabelledFiles:
    """A labelled data set as it lies in files.

    splits        train, val and test; test may be the same list as val
    relabel       from the label in a mask's file to the label trained on, (256,) integers, -1 where it may not occur;
                  None: as they are
    colours       of RGB masks: colour to label in the file
    notes         what a user should know, printed once
    """

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
        labels = self.table()[stored.numpy()]
        if (labels < 0).any():
            known = np.flatnonzero(self.table() >= 0).tolist()
            refuse_labels(
                pair.mask,
                stored.numpy(),
                labels < 0,
                f"{self.name} has {len(self.classes)} classes, labelled {spans(known)}; correct the mask, name the "
                "class, or ignore the label by data.ignore_index",
            )
        return image, torch.from_numpy(labels.astype(np.uint8))


def spans(numbers: list[int]) -> str:
    """Sorted numbers in words, such as "0 to 10 and 255"."""
    breaks = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in pairwise(breaks)]
    return " and ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


class Labelled:
    """The source that conf/data/common/labelled.yaml describes: any LabelledFiles, with what is common to them all.

    describe  lists the files with a Finder, given the data set's own options
    """

    def __init__(
        self,
        describe: Callable[..., LabelledFiles],
        *,
        crop: int,
        crops_per_image: int,
        batch_size: int,
        balance: float,
        class_weights: list[float] | str,
        mean: list[float] | None,
        std: list[float] | None,
        augment: dict[str, Any],
        cache: str,
        workers: int,
        on_error: str,
        unlabelled: str,
        seed: int,
        **own: Any,
    ) -> None:
        check_options("data", describe, own, given=("find",))
        self.finder = Finder(on_error, unlabelled)
        self.files = files = describe(self.finder, **own)
        self.batch_size, self.workers, self.seed = batch_size, workers, seed

        version = f"{files.colours}{files.table().tolist()}"
        parts = stored(files.name, files.splits, self.finder, files.size, files.decode, cache, version)
        kept, where = parts["train"].cache, {split: part.indices for split, part in parts.items()}
        self.train = FileSamples(kept, where["train"], crops_per_image)
        self.val, self.test = parts["val"], parts["test"]
        alike = len({kept.sizes[i] for split in ("val", "test") for i in where[split]}) == 1
        self.test_batch_size = batch_size if alike else 1

        classes, total = len(files.classes), len(where["train"])
        some = where["train"] if balance else np.random.default_rng(seed).permutation(where["train"])[:COUNTED].tolist()
        counts = Counts(FileSamples(kept, some))
        moments = counts.moments()
        self.mean, self.std = tuple(mean or moments[0]), tuple(std or moments[1])
        shares = counts.shares(classes)
        self.class_weights = chosen_weights(class_weights, shares)
        labels = counts.labels[:, :classes]
        areas = labels / labels.sum(1, keepdims=True).clip(1)
        self.probability = balanced(areas.repeat(crops_per_image, 0), balance)
        self.augment = Augment(augment, crop, files.ignore_index, balance, areas.sum(0))
        self.notes = [*files.notes, *self.finder.notes(), *class_notes(files.classes, counts, len(some), total)]

    def labelled_images(self) -> DataModule:
        """All classes."""
        files = self.files
        info = LabelledImages(
            files.name, self.mean, self.std, files.classes, files.palette, self.class_weights, files.ignore_index
        )
        return DataModule(
            info,
            self.train,
            self.val,
            self.test,
            augment=self.augment,
            batch_size=self.batch_size,
            test_batch_size=self.test_batch_size,
            seed=self.seed,
            probability=self.probability,
            workers=self.workers,
            notes=self.notes,
            skipped=self.finder.skipped,
        )


def chosen_weights(wish: list[float] | str, shares: NDArray[np.float64]) -> list[float]:
    """The class weights that data.class_weights asks for, given each class's share of the training pixels."""
    if wish == "equal":
        return [1.0] * len(shares)
    if wish == "balanced":
        return balanced_weights(shares)
    if isinstance(wish, str):
        raise ValueError(
            f"data.class_weights is '{wish}'; choose from balanced, equal, or list a number for each class"
        )
    return wish


def class_notes(classes: list[str], counts: Counts, counted: int, total: int) -> list[str]:
    """Warnings about what was counted: classes that do not occur, images that are ignored altogether."""
    among = f"the {total} training images" if counted == total else f"{counted} of the {total} training images"
    pixels = counts.labels[:, : len(classes)]
    absent = [name for name, n in zip(classes, pixels.sum(0), strict=True) if not n]
    void = int((pixels.sum(1) == 0).sum())
    notes = (
        [f"Warning: {len(absent)} of {len(classes)} classes never occur in {among}: {', '.join(absent)}"]
        if absent
        else []
    )
    return notes + ([f"Warning: all pixels are ignored in {void} of {among}"] if void else [])
