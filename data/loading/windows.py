"""Windows of one large picture with labels or numbers, ready to be drawn from."""

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.forms import BandWindows, Kind, ValuedWindowOptions, ValuedWindows, WindowOptions, Windows
from data.loading.augment import Augment
from data.loading.loaded import Images, LabelledImages, Loaded, ValuedImages
from data.loading.sampler import balanced
from data.loading.statistics import Counts, values_of


class WindowSamples(Dataset[dict[str, Tensor | str]]):
    """Windows of one split, as {"image": (C, side, side) uint8, "mask": (side, side) uint8 or "target": (side, side)
    float32, "name": str}."""

    def __init__(self, windows: Windows | ValuedWindows, split: str) -> None:
        image, truth = windows.picture()
        self.image, self.truth = torch.from_numpy(image), torch.from_numpy(truth)
        self.key = "mask" if self.truth.dtype == torch.uint8 else "target"
        self.side, self.corners, self.name = windows.sides[split], windows.corners[split], windows.name

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        y, x = self.corners[index]
        image = self.image[y : y + self.side, x : x + self.side].permute(2, 0, 1)
        truth = self.truth[y : y + self.side, x : x + self.side]
        return {"image": image, self.key: truth, "name": f"{self.name}-{y:04d}-{x:04d}"}


def load(windows: Windows, options: WindowOptions, kind: Kind, seed: int) -> Loaded:
    """Windows with their labels, or, for images alone, the same windows; then what is in them draws none more often."""
    name, labelled = windows.name, kind == "labelled_images"
    weights = list(options.class_weights)
    bands = windows.bands if isinstance(windows, BandWindows) else None
    info = (
        LabelledImages(name, windows.mean, windows.std, windows.classes, windows.palette, weights, bands=bands)
        if labelled
        else Images(name, windows.mean, windows.std)
    )
    train, val, test = (WindowSamples(windows, split) for split in ("train", "val", "test"))
    return Loaded(
        info,
        train,
        val,
        test,
        augment=Augment(options.augment, windows.sides["train"], LabelledImages.ignore_index),
        batch_size=options.batch_size,
        seed=seed,
        probability=balanced(windows.areas, options.balance) if labelled else None,
    )


def load_valued(windows: ValuedWindows, options: ValuedWindowOptions, seed: int) -> Loaded:
    """Windows with their numbers; mean and deviation of image and numbers are those of the training windows."""
    train, val, test = (WindowSamples(windows, split) for split in ("train", "val", "test"))
    mean, std = Counts(train).moments()
    values, without = values_of(train, windows.unit)
    notes = [
        f"Values from {values.low:.4g} to {values.high:.4g} {windows.unit}, mean {values.mean:.4g}",
        f"Without a value, neither trained nor scored: {without:.1%} of the training pixels",
    ]
    return Loaded(
        ValuedImages(windows.name, mean, std, values),
        train,
        val,
        test,
        augment=Augment(options.augment, windows.sides["train"]),
        batch_size=options.batch_size,
        seed=seed,
        notes=notes,
    )
