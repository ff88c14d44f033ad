"""Colours to draw classes in, where a data set brings none of its own, and how they lie over an image."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

BLACK = (0, 0, 0)  # of a background, which stays clear in overlays
NOTHING = {"background", "_background_", "bg", "none", "nothing", "0"}  # what a first class is called that is none
ROWS = 1024  # laid over at a time
# Bright, and told apart on photographs and by colour-blind readers: Okabe & Ito's but their black, then others.
BRIGHT = (
    (230, 159, 0), (86, 180, 233), (0, 200, 140), (240, 228, 66), (220, 80, 200), (255, 94, 0), (90, 110, 255),
    (170, 255, 60), (255, 150, 190), (0, 235, 235), (190, 140, 255), (255, 60, 60),
)  # fmt: skip


def own_palette(classes: Sequence[str]) -> list[tuple[int, int, int]]:
    """Colours of classes that have none: black for a first class that is a background by its name; bright ones for the
    others, and Pascal VOC's, from its seventh on, where those do not last."""
    clear = bool(classes) and classes[0].lower() in NOTHING
    more = (colour for colour in voc_palette(256)[6:] if colour not in BRIGHT)
    return [*([BLACK] if clear else []), *islice((*BRIGHT, *more), len(classes) - clear)]


def overlaid(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]], opacity: float
) -> NDArray[np.uint8]:
    """The image (H, W, 3) with its classes (H, W) laid over, each pixel `opacity` of its class's colour. Where that is
    black the image stays as it is; labels of no class lie over it in black."""
    colours, share = np.zeros((256, 3), np.uint16), np.full((256, 1), round(256 * opacity), np.uint16)
    colours[: len(palette)] = palette
    share[: len(palette)] *= np.any(colours[: len(palette)] != BLACK, 1, keepdims=True)
    under, over, result = 256 - share, share * colours, np.empty_like(image)
    for rows in np.array_split(np.arange(len(image)), -(-len(image) // ROWS)):  # an image may fill the memory
        part = mask[rows]
        result[rows] = (under[part] * image[rows] + over[part]) >> 8
    return result


def mixed(
    members: NDArray[np.bool_], palette: Sequence[tuple[int, int, int]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(H, W, 3): of classes (K, H, W) that may overlap the mean colour of those at each pixel, black without; and where
    there is one, (H, W). A class in black is none."""
    total, count = np.zeros((*members.shape[1:], 3), np.uint16), np.zeros(members.shape[1:], np.uint16)
    for member, colour in zip(members, palette, strict=True):
        if tuple(colour) != BLACK:
            total += member[..., None] * np.array(colour, np.uint16)
            count += member
    return (total / np.maximum(count, 1)[..., None]).astype(np.uint8), count > 0


def voc_palette(count: int) -> list[tuple[int, int, int]]:
    """The first `count` colours of Pascal VOC's palette: the bits of a label, dealt to red, green and blue from the
    highest bit down, so that neighbouring labels differ most (VOC development kit, VOClabelcolormap.m)."""
    channels = [
        [sum((label >> (3 * i + c) & 1) << (7 - i) for i in range(8)) for c in range(3)] for label in range(count)
    ]
    return [(red, green, blue) for red, green, blue in channels]
