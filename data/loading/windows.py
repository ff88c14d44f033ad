"""Windows of one large labelled picture, ready to be drawn from."""

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.forms import Kind, WindowOptions, Windows
from data.loading.augment import Augment
from data.loading.loaded import Images, LabelledImages, Loaded
from data.loading.sampler import balanced


class WindowSamples(Dataset[dict[str, Tensor | str]]):
    """Windows of one split, as {"image": (3, side, side) uint8, "mask": (side, side) uint8, "name": str}."""

    def __init__(self, windows: Windows, split: str) -> None:
        image, mask = windows.picture()
        self.image, self.mask = torch.from_numpy(image), torch.from_numpy(mask)
        self.side, self.corners, self.name = windows.sides[split], windows.corners[split], windows.name

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        y, x = self.corners[index]
        image = self.image[y : y + self.side, x : x + self.side].permute(2, 0, 1)
        mask = self.mask[y : y + self.side, x : x + self.side]
        return {"image": image, "mask": mask, "name": f"{self.name}-{y:04d}-{x:04d}"}


def load(windows: Windows, options: WindowOptions, kind: Kind, seed: int) -> Loaded:
    """Windows with their labels, or, for images alone, the same windows; then what is in them draws none more often."""
    name, labelled = windows.name, kind == "labelled_images"
    weights = list(options.class_weights)
    info = (
        LabelledImages(name, windows.mean, windows.std, windows.classes, windows.palette, weights)
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
