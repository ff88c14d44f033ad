"""What is in masks of classes that may overlap: read, checked, and which number says that a pixel is of a class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.files.bands import every_band
from data.files.finding import Finder, Pair
from data.files.labels import USUAL, Ignore, Labelling, listed
from data.files.masks import check_mask, read_mask
from data.files.reading import Header, Unreadable, bounded, opened, read_header, turn


def check_planes(pair: Pair, image: Header, count: int) -> None:
    """Refuse, from headers alone, masks of `count` classes that may overlap, which are not of their image's size."""
    for path in filter(None, pair.planes):
        check_mask(path, read_header(path), image, None)
    if pair.mask is None or pair.planes:
        return
    bands = read_header(pair.mask)
    if bands.bands != count:
        raise Unreadable(f"the mask {pair.mask} has {bands.bands} bands, not one for each of {count} classes")
    if bands.upright != image.upright:
        size, other = (" x ".join(map(str, each.upright)) for each in (bands, image))
        raise Unreadable(f"the mask {pair.mask} has {size} pixels, its image {other}; save both in one size")


def read_planes(pair: Pair, image: Header, count: int) -> NDArray[Any]:
    """(K, H, W) whole numbers: of each class's own mask, 0 where it has none; or the bands of the pair's mask."""
    if not pair.planes:
        assert pair.mask is not None
        with opened(pair.mask) as (picture, header), bounded(pair.mask, header):
            bands = turn(every_band(pair.mask, picture, header), header.orientation)
        return np.ascontiguousarray(np.moveaxis(bands, -1, 0))
    nothing = np.zeros(image.upright, np.uint8)
    return np.stack([nothing if path is None else read_mask(path, image) for path in pair.planes])


def labelling_of(
    find: Finder, pairs: Sequence[Pair], classes: list[str], ignore: Ignore, where: str
) -> tuple[Labelling, int, dict[Pair, frozenset[int]]]:
    """The classes, of which each has its place as label; the number that says that a pixel is of one; and which are in
    each pair.

    ignore  data.ignore_index; `auto` ignores 255 where masks hold another number, too
    Raises ValueError where masks hold more than one number besides.
    """

    def one(pair: Pair) -> list[frozenset[int]]:
        planes = read_planes(pair, read_header(pair.image), len(classes))
        return [frozenset(np.unique(plane).tolist()) for plane in planes]

    seen = find.usable(one, list(dict.fromkeys(pairs)), "Looking for classes in the masks")
    numbers = set().union(*(plane for planes in seen.values() for plane in planes))
    ignored = [] if isinstance(ignore, str) else [ignore] if isinstance(ignore, int) else list(ignore)
    others = sorted(numbers - {0} - set(ignored))
    if ignore == "auto" and len(others) > 1 and USUAL in others:
        others.remove(USUAL)
        ignored.append(USUAL)
    if not others:
        raise ValueError(f"the masks of {where} hold no class anywhere: nothing but {listed(sorted(numbers))}")
    if len(others) > 1:
        raise ValueError(
            f"the masks of {where} hold the numbers {listed(sorted(numbers)[:8])}; a class's mask holds 0 and "
            "one other number: correct them, or ignore one by data.ignore_index"
        )
    held = {pair: frozenset(k for k, plane in enumerate(planes) if others[0] in plane) for pair, planes in seen.items()}
    notes = [f"Classes that may overlap, each with a mask where {others[0]} is the class: {', '.join(classes)}"]
    lacking = sum(path is None for pair in seen for path in pair.planes)
    if lacking:
        notes.append(f"Without a mask, and taken for nowhere in their image: {lacking} of the classes' masks")
    if ignored and (there := sorted(set(ignored) & numbers)):
        notes.append(f"Ignored as not known: the number {listed(there)}; data.ignore_index chooses")
    return Labelling(classes, list(range(len(classes))), tuple(ignored), notes), others[0], held
