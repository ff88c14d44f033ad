"""Outlines in an image, whoever drew them, and the mask that they make."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbing.messages import needs

IGNORED = 255  # the number of pixels that are no class


Area = list[list[float]] | dict[str, Any] | NDArray[np.bool_] | Callable[[], NDArray[np.bool_]]


@dataclass(frozen=True)
class Shape:
    """One outlined thing.

    name  of its class; None: pixels that are no class, as COCO's crowds
    area  in one of four forms: rings of pixels [x1, y1, x2, y2, ...], COCO's run lengths, a mask (H, W) bool, or what
          makes such a mask when it is drawn
    """

    name: str | None
    area: Area


@dataclass
class Outlined:
    """An image file, its height and width, and the shapes in it in the order in which they are drawn."""

    image: Path
    height: int
    width: int
    shapes: list[Shape] = field(default_factory=list)


@dataclass
class Outlines:
    """What a tool wrote: its images, the number of each class, and how many shapes of each kind have no area."""

    images: list[Outlined]
    numbers: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, kind: str) -> None:
        """Count a shape that is not drawn."""
        self.left_out[kind] = self.left_out.get(kind, 0) + 1


def mask_of(outlined: Outlined, numbers: dict[str, int]) -> NDArray[np.uint8]:
    """(H, W) uint8: the number of the last shape drawn over each pixel, 0 where there is none."""
    size = (outlined.height, outlined.width)
    mask = np.zeros(size, np.uint8)
    for shape in outlined.shapes:
        mask[inside(shape.area, *size)] = IGNORED if shape.name is None else numbers[shape.name]
    return mask


def inside(area: Area, height: int, width: int) -> NDArray[np.bool_]:
    """(H, W) bool of a shape's pixels, by the rule of COCO's own tools. Raises ValueError for what is no area."""
    if isinstance(area, np.ndarray):
        return area
    if callable(area):
        return area()
    try:
        from pycocotools import mask as coco  # here: few need it
    except ImportError:
        raise ValueError(needs("drawing outlines", "polygons", "pycocotools")) from None
    if isinstance(area, dict):
        if list(area.get("size", [])) != [height, width]:
            raise ValueError(f"run lengths are of {area.get('size')} pixels, the image of {[height, width]}")
        counts = area["counts"]
        runs = coco.frPyObjects(area, height, width) if isinstance(counts, list) else area
        return coco.decode(runs).astype(bool)
    rings = [[float(number) for number in ring] for ring in area if len(ring) >= 6 and len(ring) % 2 == 0]
    if not rings:
        raise ValueError("an outline has fewer than three points")
    return coco.decode(coco.merge(coco.frPyObjects(rings, height, width))).astype(bool)
