"""One mask file to the numbers that it stores. What cannot be read is refused in one sentence that names the file and
the mend."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.files.reading import AT_ONCE, SIXTEEN_BITS, Header, Unreadable, bounded, opened, stored_pixels, turn, turned

Colours = dict[tuple[int, int, int], int]  # of an RGB mask: colour to label
OPAQUE = 255


def mask_orientation(mask: Header, image: Header) -> int | None:
    """How a mask is to be turned: by its own tag; without one with its image, unless only the upright image fits it."""
    if mask.orientation is not None:
        return mask.orientation
    return None if mask.stored == image.upright != image.stored else image.orientation


def check_mask(path: Path, mask: Header, image: Header, colours: Colours | None) -> None:
    """Refuse, from headers alone, a mask that holds no labels or is not of its image's size."""
    if mask.mode == "F":
        raise Unreadable(f"the mask {path} holds floating point numbers; save it with whole-number labels as grey PNG")
    if mask.mode in ("LA", "La", "PA") or (mask.mode == "bands" and mask.bands > 1):
        raise Unreadable(
            f"the mask {path} has {mask.bands} bands and an alpha channel ({mask.mode}); save it as grey or palette PNG"
            if "A" in mask.mode.upper()[1:]
            else f"the mask {path} has {mask.bands} bands; save it as grey or palette PNG"
        )
    if colours is not None and mask.mode not in ("RGB", "RGBA", "RGBX", "P"):
        raise Unreadable(f"the mask {path} has no colours ({mask.mode}), but data.colours is set; save it as RGB")
    size = turned(mask.stored, mask_orientation(mask, image))
    if size != image.upright:
        raise Unreadable(
            f"the mask {path} has {size[0]} x {size[1]} pixels, its image {image.upright[0]} x {image.upright[1]}; "
            "save both in one size"
        )


def read_mask(path: Path, image: Header, colours: Colours | None = None) -> NDArray[Any]:
    """(H, W) whole numbers: palette indices or grey values as they are stored, or RGB through `colours`.

    image  the header of the mask's image, with which it is turned
    """
    with opened(path) as (picture, header), bounded(path, header):
        check_mask(path, header, image, colours)
        if header.mode in ("P", "1") and colours is None:
            values = np.asarray(picture).astype(np.uint8)
        elif header.mode in ("I", "L", "bands", *SIXTEEN_BITS):
            values = stored_pixels(path, picture, header)
        else:
            values = opaque(path, np.asarray(picture.convert("RGBA")))
        values = turn(values, mask_orientation(header, image))
        if colours is not None:
            return through(colours, values, path)
    if values.ndim == 3:
        if (values[..., :1] != values).any():
            raise Unreadable(
                f"the mask {path} is in colour ({header.mode}); say in data.colours which colour is which class"
            )
        values = values[..., 0]  # grey, saved as a colour picture
    if values.dtype.kind not in "uib":
        raise Unreadable(f"the mask {path} holds floating point numbers; save it with whole-number labels as grey PNG")
    return values


def opaque(path: Path, rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) of (H, W, 4), where that hides nothing."""
    if (rgba[..., 3] != OPAQUE).any():
        raise Unreadable(f"the mask {path} has an alpha channel (RGBA) in use; save it as grey or palette PNG")
    return rgba[..., :3]


def through(colours: Colours, rgb: NDArray[np.uint8], path: Path) -> NDArray[np.int64]:
    """Labels (H, W) of an RGB mask (H, W, 3)."""
    known = np.array(sorted((r * 65536 + g * 256 + b, label) for (r, g, b), label in colours.items()))
    labels, unknown, colour = np.empty(rgb.shape[:2], np.int64), 0, ()
    rows = max(1, AT_ONCE // max(1, rgb.shape[1]))
    for start in range(0, len(rgb), rows):
        part = rgb[start : start + rows]
        codes = part.astype(np.int64) @ (65536, 256, 1)
        at = np.searchsorted(known[:, 0], codes).clip(max=len(known) - 1)
        labels[start : start + rows] = known[at, 1]
        strange = known[at, 0] != codes
        if strange.any():
            unknown, colour = unknown + int(strange.sum()), colour or tuple(part[strange][0].tolist())
    if unknown:
        raise Unreadable(
            f"the mask {path} has {unknown} pixels of colours that data.colours does not name, such as {colour}; "
            "name them (as `ignore` where they are no class), and save masks without loss"
        )
    return labels


def refuse_labels(path: Path, labels: NDArray[Any], wrong: NDArray[np.bool_], why: str) -> None:
    """Refuse a mask for the labels (H, W) where they are `wrong`, naming the most frequent one."""
    found, counts = np.unique(labels[wrong], return_counts=True)
    raise Unreadable(f"the mask {path} holds the label {found[counts.argmax()]} in {counts.max()} pixels, but {why}")
