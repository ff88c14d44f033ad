"""What the largest images that are read would take of a core: noise, which takes longest, of a few megapixels, by each
format's limit; and the scans of a progressive JPEG, each many times over. Printed with pytest -n 0 -s; a minute."""

import re
import time
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.files.limits import MOST_OF_WEBP, MOST_SCANNED
from data.files.reading import read_image

ALL = 178_956_970  # pixels, Pillow's limit
SIDE, TIMES = 2000, 20


def noise(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(256, size=(side, side, 3), dtype=np.uint8))


def seconds(path: Path) -> float:
    """Of a core."""
    began = time.process_time()
    read_image(path)
    return time.process_time() - began


@pytest.mark.parametrize(("kind", "most", "options"), [
    ("PNG", ALL, {"compress_level": 1}), ("JPEG", ALL, {"quality": 95}),
    ("JPEG", MOST_SCANNED // 10, {"quality": 95, "progressive": True}),  # which has 10 scans
    ("WEBP", MOST_OF_WEBP, {"method": 0}), ("WEBP", MOST_OF_WEBP, {"method": 0, "lossless": True}),
    ("TIFF", ALL, {"compression": "tiff_lzw"}), ("GIF", ALL, {}),
])  # fmt: skip
def test_noise(kind: str, most: int, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "noise"
    noise(SIDE).save(path, kind, **options)
    print(f"{kind} {options}: {seconds(path) * most / SIDE**2:.1f} s for {most / 1e6:.0f} megapixels")


def test_one_scan_many_times(tmp_path: Path) -> None:
    file, path, side = BytesIO(), tmp_path / "scans", SIDE // 2
    noise(side).save(file, "JPEG", quality=95, progressive=True)
    stored = file.getvalue()
    starts = [found.start() for found in re.finditer(b"\xff\xda", stored)] + [len(stored) - 2]
    path.write_bytes(stored)
    once, slowest = seconds(path), 0.0
    for start, end in pairwise(starts):
        path.write_bytes(stored[:end] + stored[start:end] * TIMES + stored[end:])
        slowest = max(slowest, (seconds(path) - once) / TIMES / side**2 * MOST_SCANNED)
    print(f"the slowest scan of a JPEG, as often as it may be: {slowest:.1f} s")
