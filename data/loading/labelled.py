"""Images with masks in files, ready to be drawn from."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.files.finding import Finder
from data.forms import LabelledFiles, LabelledOptions
from data.loading.augment import Augment
from data.loading.loaded import LabelledImages, Loaded
from data.loading.sampler import balanced
from data.loading.samples import FileSamples, stored
from data.loading.statistics import Counts, balanced_weights

COUNTED = 500  # training images at most in which mean, deviation and classes are counted


def load(files: LabelledFiles, options: LabelledOptions, finder: Finder, seed: int) -> Loaded:
    """Check and cache all files, count classes and moments in training images."""
    version = f"{files.colours}{files.table().tolist()}"
    parts = stored(files.name, files.splits, finder, files.size, files.decode, options.cache, version)
    kept, where = parts["train"].cache, {split: part.indices for split, part in parts.items()}
    alike = len({kept.sizes[i] for split in ("val", "test") for i in where[split]}) == 1

    classes, total = len(files.classes), len(where["train"])
    shuffled = np.random.default_rng(seed).permutation(where["train"])
    some = where["train"] if options.balance else shuffled[:COUNTED].tolist()
    counts = Counts(FileSamples(kept, some))
    moments = counts.moments()
    labels = counts.labels[:, :classes]
    areas = labels / labels.sum(1, keepdims=True).clip(1)
    info = LabelledImages(
        files.name,
        tuple(options.mean or moments[0]),
        tuple(options.std or moments[1]),
        files.classes,
        files.palette,
        chosen_weights(options.class_weights, counts.shares(classes)),
        files.ignore_index,
    )
    return Loaded(
        info,
        FileSamples(kept, where["train"], options.crops_per_image),
        parts["val"],
        parts["test"],
        augment=Augment(options.augment, options.crop, files.ignore_index, options.balance, areas.sum(0)),
        batch_size=options.batch_size,
        test_batch_size=options.batch_size if alike else 1,
        seed=seed,
        probability=balanced(areas.repeat(options.crops_per_image, 0), options.balance),
        workers=options.workers,
        notes=[*files.notes, *finder.notes(), *class_notes(files.classes, counts, len(some), total)],
        skipped=finder.skipped,
    )


def chosen_weights(wish: Sequence[float] | Literal["equal", "balanced"], shares: NDArray[np.float64]) -> list[float]:
    """The class weights that data.class_weights asks for, given each class's share of the training pixels."""
    if wish == "equal":
        return [1.0] * len(shares)
    if wish == "balanced":
        return balanced_weights(shares)
    return [float(each) for each in wish]


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
