"""TIFF files: how many images one holds, and the kinds that Pillow does not read, or reads with fewer bits."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOST_DIRECTORIES = 1000  # looked at; no image for training has more
REDUCED = 1  # bit of NewSubfileType: a smaller copy of another image, as pyramids of maps have (TIFF 6.0, page 36)


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
            reduced = bool(kinds) and struct.unpack(order + "I", kinds[0][:4])[0] & REDUCED
            whole += not reduced
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
