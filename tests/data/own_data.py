"""Folders of one's own as people bring them, of twelve images each, for tests of every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNT, SIDE = 12, 32
Labels = Callable[[NDArray[np.bool_]], NDArray[Any]]


def scene(i: int, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An image with a bright square on dark noise, and where the square is."""
    random = np.random.default_rng(i)
    inside = np.zeros((side, side), bool)
    top, left = random.integers(2, side // 2, 2)
    inside[top : top + side // 3, left : left + side // 3] = True
    image = random.integers(0, 60, (side, side, 3)) + 150 * inside[..., None]
    return image.astype(np.uint8), inside


def save(pixels: NDArray[Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def numbered(*numbers: int, dtype: Any = np.uint8) -> Labels:
    """The first number outside of the square, the second inside, the third, if any, in the two top rows."""

    def labels(inside: NDArray[np.bool_]) -> NDArray[Any]:
        found = np.where(inside, numbers[1], numbers[0]).astype(dtype)
        for row, number in enumerate(numbers[2:]):
            found[2 * row : 2 * row + 2] = number
        return found

    return labels


def write(
    root: Path,
    labels: Labels | None = None,
    names: str | None = None,
    image: str = "images/{i:02d}.png",
    mask: str = "masks/{i:02d}.png",
    which: range = range(COUNT),
    pixels: Callable[[NDArray[np.uint8]], NDArray[Any]] = lambda image: image,
) -> Path:
    """Write a folder and return it.

    labels  from where the square is to what the mask's file stores; names: of classes.txt
    """
    for i in which:
        seen, inside = scene(i)
        save(pixels(seen), root / image.format(i=i))
        save((labels or numbered(0, 1))(inside), root / mask.format(i=i))
    if names is not None:
        (root / "classes.txt").write_text(names, encoding="utf-8")
    return root
