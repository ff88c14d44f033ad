"""TIFF files: how many images one holds, and the kinds that Pillow does not read, or reads with fewer bits."""

import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_DIRECTORIES = 1000  # looked at; no image for training has more
REDUCED = 1  # bit of NewSubfileType: a smaller copy of another image, as pyramids of maps have (TIFF 6.0, page 36)
SEARCHED = 10  # directories, for a mask: GDAL writes it next to the image
MASK = 4  # another: which pixels of another image hold data, as GDAL writes it (the same page)
NO_DATA = 42113  # GDAL's tag: the number that stands for no data, as text


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF or BigTIFF does."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def images_in(path: Path) -> int:
    """How many images of full size a TIFF holds, up to MOST_DIRECTORIES, from its directories alone.

    Pillow would parse each of them whole: a file of 60 000 took a minute.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        pointer, counter, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        width = struct.calcsize(pointer)
        (at,) = struct.unpack(order + pointer, head[8 : 8 + width] if big else head[4 : 4 + width])
        seen: set[int] = set()
        whole = 0
        while at and at not in seen and len(seen) < MOST_DIRECTORIES:
            seen.add(at)
            file.seek(at)
            count = struct.unpack(order + counter, file.read(struct.calcsize(counter)))[0]
            entries = file.read(min(count, 4096) * entry)
            tags = (entries[i : i + entry] for i in range(0, len(entries) - entry + 1, entry))
            kinds = [tag[entry - width :] for tag in tags if struct.unpack(order + "H", tag[:2])[0] == 254]
            beside = bool(kinds) and struct.unpack(order + "I", kinds[0][:4])[0] & (REDUCED | MASK)
            whole += not beside
            following = file.read(width) if count <= 4096 else b""
            at = struct.unpack(order + pointer, following)[0] if len(following) == width else 0
        return whole


def read_bands(path: Path) -> NDArray[np.generic]:
    """(H, W) or (H, W, bands) of the first image, with the numbers that the file stores.

    Raises ValueError for a kind that needs more than is installed, or whatever tifffile stumbles over.
    """
    import tifffile  # here: few files need it

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        pixels = page.asarray()
        planes = page.samplesperpixel
        if pixels.ndim == 3 and pixels.shape[0] == planes and pixels.shape[-1] != planes:
            pixels = np.moveaxis(pixels, 0, -1)  # stored plane by plane
    if pixels.ndim not in (2, 3):
        raise ValueError(f"it has {pixels.ndim} axes")
    return pixels


def shape_of(path: Path) -> tuple[tuple[int, int], int, np.dtype]:
    """(height, width), bands and type of the first image, without decoding."""
    import tifffile  # here: few files need it

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if page.dtype is None:
            raise ValueError(f"it stores {page.bitspersample} bits a sample")
        return (page.imagelength, page.imagewidth), page.samplesperpixel, np.dtype(page.dtype)


@dataclass(frozen=True)
class Stored:
    """What a TIFF says of its first image: bands, alpha channels included, their type, the number that it names as no
    data, and whether a mask beside it says where there is data."""

    bands: int
    kind: np.dtype
    no_data: float | None
    masked: bool


def stored_in(path: Path) -> Stored:
    """What the directories of a TIFF say, without decoding. Raises ValueError as `shape_of` does."""
    import tifffile  # here: few files need it

    _, bands, kind = shape_of(path)
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags.get(NO_DATA)
        masked = any(is_mask(page) for page in islice(file.pages, 1, SEARCHED))
    if tag is None:
        return Stored(bands, kind, None, masked)
    try:
        return Stored(bands, kind, float(str(tag.value).strip("\0 ")), masked)
    except ValueError:
        raise ValueError(f"its tag for no data, {str(tag.value)[:40]!r}, is no number") from None


def is_mask(page: Any) -> bool:
    """Whether a directory of a TIFF is of the mask of an image of full size."""
    return bool(page.subfiletype & MASK and not page.subfiletype & REDUCED)


def valid_pixels(path: Path) -> NDArray[np.bool_]:
    """(H, W) where the mask in a TIFF says that there is data."""
    import tifffile  # here: few files need it

    with tifffile.TiffFile(path) as file:
        mask = next(page for page in islice(file.pages, 1, SEARCHED) if is_mask(page))
        return np.asarray(mask.asarray()) != 0
