"""What is in a data set: sizes, classes, doubtful masks, for check_data.py."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.files.threads import in_threads
from data.loading.loaded import Images, LabelledImages, Loaded, Samples
from data.loading.samples import FileSamples, labels_of
from data.loading.statistics import balanced_weights
from plumbing.messages import say


@dataclass(frozen=True)
class Found:
    """Of a split: the names of its images, how many have each size (height, width), and, of labelled images, the
    pixels of each label in each, (n, 256)."""

    names: list[str]
    sizes: Counter[tuple[int, int]]
    labels: NDArray[np.int64] | None


def look(samples: Samples, split: str) -> Found:
    """Look at every image of a split, as it is; what was decoded to check it is not decoded again."""

    def one(index: int) -> tuple[str, tuple[int, int], dict[int, int] | None]:
        sample = samples[index]
        mask = sample.get("mask")
        return sample["name"], tuple(sample["image"].shape[1:]), labels_of(None if mask is None else mask.numpy())

    before = samples.looked_at if isinstance(samples, FileSamples) else None
    seen = list(in_threads(one, range(len(samples)), f"Looking at {split}")) if before is None else before
    labels = np.zeros((len(seen), 256), np.int64)
    for row, (*_, counts) in zip(labels, seen, strict=True):
        for label, pixels in (counts or {}).items():
            row[label] = pixels
    labelled = any(counts is not None for *_, counts in seen)
    return Found([name for name, *_ in seen], Counter(size for _, size, _ in seen), labels if labelled else None)


def survey(module: Loaded) -> dict[str, Found]:
    """What each split holds; where the validation images serve as test images too, test is left out."""
    splits: dict[str, Samples] = {"train": module.train, "val": module.val, "test": module.test}
    found = {split: look(samples, split) for split, samples in splits.items()}
    if found["test"].names == found["val"].names:
        del found["test"]
    return found


def table(title: str, *columns: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    made = Table(title=Text(title), box=SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i else "left")
    return made


def print_tables(module: Loaded, found: dict[str, Found]) -> None:
    """Print what was found."""
    console = Console()
    splits = table(module.info.name, "split", "images", "sizes", "smallest", "largest")
    for split, seen in found.items():
        by_area = sorted(seen.sizes, key=lambda size: size[0] * size[1])
        ends = (f"{height} x {width}" for height, width in (by_area[0], by_area[-1]))
        splits.add_row(split, f"{len(seen.names):,}", str(len(by_area)), *ends)
    console.print(splits)
    if isinstance(module.info, LabelledImages):
        console.print(class_table(module.info, found))
        for note in doubtful(module.info, found):
            say(note)
    for note in module.notes:
        say(note)


def class_table(info: LabelledImages, found: dict[str, Found]) -> Table:
    """Each class's share of the labelled pixels of each split, in how many training images it is, and the weight that
    data.class_weights=balanced gives it; last, what share of all pixels is ignored."""
    count = len(info.classes)
    made = table("classes", "class", *(f"% of {split}" for split in found), "train images", "weight")
    shares: dict[str, Any] = {}
    for split, seen in found.items():
        assert seen.labels is not None
        totals, pixels = seen.labels[:, :count].sum(0), sum(n * h * w for (h, w), n in seen.sizes.items())
        shares[split] = totals / max(1, pixels - seen.labels[:, count:].sum())
    train = found["train"].labels
    assert train is not None
    weights = balanced_weights(shares["train"])
    for k, name in enumerate(info.classes):
        percent = (f"{100 * share[k]:.2f}" for share in shares.values())
        made.add_row(Text(name), *percent, f"{(train[:, k] > 0).sum():,}", f"{weights[k]:.2f}")
    ignored = (
        seen.labels[:, count:].sum() / sum(n * h * w for (h, w), n in seen.sizes.items())
        for seen in found.values()
        if seen.labels is not None
    )
    made.add_row("(ignored)", *(f"{100 * share:.2f}" for share in ignored), "", "")
    return made


def absent(info: Images, found: dict[str, Found]) -> list[str]:
    """The classes that no training image holds."""
    labels = found["train"].labels
    if not isinstance(info, LabelledImages) or labels is None:
        return []
    return [name for name, pixels in zip(info.classes, labels.sum(0), strict=False) if not pixels]


def doubtful(info: LabelledImages, found: dict[str, Found]) -> list[str]:
    """Masks that may be sound but should be looked at."""
    if info.overlapping:  # one class in an image is nothing strange
        return []
    notes = []
    for split, seen in found.items():
        assert seen.labels is not None
        classes = (seen.labels[:, : len(info.classes)] > 0).sum(1)
        for number, what in ((1, "one class alone"), (0, "ignored pixels alone")):
            names = [name for name, n in zip(seen.names, classes, strict=True) if n == number]
            if names:
                shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                notes.append(f"Look at: {len(names)} masks of {split} hold {what}: {shown}")
    return notes
