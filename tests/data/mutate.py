"""Valid images and masks, and files made of them by breaking their bytes: what a loader may meet."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from data.files.masks import read_mask
from data.files.reading import Unreadable, read_header, read_image

SIDE = 48


def encoded(pixels: np.ndarray, format: str, mode: str | None = None, **options: object) -> bytes:
    file = BytesIO()
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(file, format, **options)
    return file.getvalue()


def originals() -> list[tuple[str, bytes, bool]]:
    """Name, bytes and whether it serves as a mask: each format, its ways to compress, colours and depths."""
    random = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    rgb = (smooth[..., None] * (1, 2, 2) + random.integers(0, 30, (SIDE, SIDE, 3))).astype(np.uint8)
    labels = (smooth // 16).astype(np.uint8)
    deep = (smooth * 600).astype(np.uint16)
    return [
        ("rgb.png", encoded(rgb, "PNG"), False),
        ("deep.png", encoded(deep, "PNG"), False),
        ("photo.jpg", encoded(rgb, "JPEG"), False),
        ("progressive.jpg", encoded(rgb, "JPEG", progressive=True), False),
        ("cmyk.jpg", encoded(rgb, "JPEG", "CMYK"), False),
        ("plain.tif", encoded(rgb, "TIFF"), False),
        ("lzw.tif", encoded(rgb, "TIFF", compression="tiff_lzw"), False),
        ("deflate.tif", encoded(deep, "TIFF", compression="tiff_deflate"), False),
        ("lossy.webp", encoded(rgb, "WEBP"), False),
        ("lossless.webp", encoded(rgb, "WEBP", lossless=True), False),
        ("mask.png", encoded(labels, "PNG"), True),
        ("palette.png", encoded(labels, "PNG", "P"), True),
        ("mask.tif", encoded(labels, "TIFF", compression="tiff_lzw"), True),
        ("mask.webp", encoded(labels, "WEBP", "RGB", lossless=True), True),
    ]


def mutated(original: bytes, random: np.random.Generator) -> bytes:
    """The bytes with one to three flaws: bits flipped, bytes replaced, cut off, inserted, a piece doubled or lost."""
    data = bytearray(original)
    for _ in range(random.integers(1, 4)):
        # Half of the flaws lie among the first bytes, where the headers are.
        at = int(random.integers(min(len(data), 64) if random.random() < 0.5 else len(data)))
        length = int(random.integers(1, 33))
        kind = random.integers(6)
        if kind == 0:
            data[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            data[at : at + length] = random.bytes(min(length, len(data) - at))
        elif kind == 2:
            del data[max(at, 1) :]
        elif kind == 3:
            data[at:at] = random.bytes(length)
        elif kind == 4:
            data[at:at] = data[at : at + 8 * length]
        else:
            del data[at : at + length]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


@dataclass
class Found:
    """What reading mutated files came to; times in seconds, memory in MB above what was in use before."""

    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: float = 0.0


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(count: int, seed: int, folder: Path) -> Iterator[tuple[str, Found]]:
    """Read `count` mutated files as the loader does; yields each file's name and what was found up to it."""
    random, files, found = np.random.default_rng(seed), originals(), Found()
    for name, original, _ in files:  # once whole, so that decoders are loaded
        (folder / name).write_bytes(original)
        read_image(folder / name)
    header, before = read_header(folder / "rgb.png"), peak_mb()
    for i in range(count):
        name, original, is_mask = files[i % len(files)]
        path = folder / f"{i}-{name}"
        path.write_bytes(mutated(original, random))
        began = time.perf_counter()
        try:
            read_header(path)
            if is_mask:
                read_mask(path, header, None if name != "mask.webp" else {(0, 0, 0): 0})
            else:
                read_image(path)
            found.read += 1
        except Unreadable as error:
            if str(path) not in str(error) or "\n" in str(error):
                raise RuntimeError("a refusal is one sentence with the file") from error
            found.refused += 1
        found.slowest = max(found.slowest, time.perf_counter() - began)
        found.memory = max(found.memory, peak_mb() - before)
        path.unlink()
        yield name, found


def main(count: int, seed: int, folder: Path) -> None:
    """Fuzz, and print what was found as JSON, a line for each hundred files."""
    for i, (_, found) in enumerate(fuzz(count, seed, folder), 1):
        if i % 100 == 0 or i == count:
            print(json.dumps({"files": i, **asdict(found)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
