"""MNIST (LeCun et al., 1998) and Fashion-MNIST (Xiao et al., 2017): 70 000 grey pictures each, in IDX files."""

import gzip
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.contract import data_set
from data.forms import SquareArrays
from data.sets.published import explained

CLOTHES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip
SIDE, BORDER = 28, 2  # pixels: of a stored image, and of the black added around it, 32 in all


def unpacked(path: Path) -> bytes:
    """The contents of a file, plain or gzip; nothing of one that is damaged."""
    stored = path.read_bytes()
    try:
        return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored
    except (EOFError, OSError, zlib.error):
        return b""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """(N, 28, 28) uint8 of an IDX file of images, plain or gzip. Raises ValueError for anything else."""
    raw = unpacked(path)
    header = struct.unpack(">4i", raw[:16]) if len(raw) >= 16 else (0, 0, 0, 0)
    if header[0] != 0x803 or header[2:] != (SIDE, SIDE) or len(raw) != 16 + header[1] * SIDE**2:
        raise ValueError(f"{path} is no whole IDX file of {SIDE} x {SIDE} images; fetch it again")
    return np.frombuffer(raw, np.uint8, offset=16).reshape(header[1], SIDE, SIDE)


def read_labels(path: Path, count: int) -> NDArray[np.uint8]:
    """(count,) uint8, 0 to 9, of an IDX file of labels, plain or gzip. Raises ValueError for anything else."""
    raw = unpacked(path)
    labels = np.frombuffer(raw, np.uint8)[8:]
    if raw[:8] != struct.pack(">2i", 0x801, count) or len(labels) != count or (labels > 9).any():
        raise ValueError(f"{path} is no whole IDX file of {count} labels from 0 to 9; fetch it again, or remove it")
    return labels


def found(root: str, part: str, published: str, kind: str = "images-idx3") -> Path:
    """A file of a kind in root, as Debian's package keeps it, or in root/<published>/raw, as torchvision does."""
    folders = (Path(root), Path(root, published, "raw"))
    candidates = [f / f"{part}-{kind}-ubyte{end}" for f in folders for end in ("", ".gz")]
    for path in candidates:
        if path.exists():
            return path
    raise FileNotFoundError(f"{candidates[0].name} is missing")


def padded(path: Path) -> NDArray[np.uint8]:
    """(N, 1, 32, 32) uint8: images padded from 28 to 32 pixels. Resizing would sample them at eight phases in turn, and
    so print a pattern of period 8 into the real images: just what the networks here are measured for."""
    return np.pad(read_idx(path), ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))[:, None]


def labels(root: str, published: str, counts: Mapping[str, int]) -> dict[str, NDArray[np.uint8]]:
    """The labels of train and test, of as many images each; nothing where a file of them is missing: they are needed by
    who asks for classes alone."""
    parts = {"train": "train", "test": "t10k"}
    try:
        places = {split: found(root, part, published, "labels-idx1") for split, part in parts.items()}
    except FileNotFoundError:
        return {}
    return {split: read_labels(path, counts[split]) for split, path in places.items()}


def arrays(
    name: str, published: str, mean: float, std: float, classes: list[str], root: str | None, download: bool
) -> SquareArrays:
    """What lies in root, or is fetched there.

    published  torchvision's class, and the folder that it keeps the files in
    mean, std  of the training images, border included
    """
    with explained(name, root, "train-images-idx3-ubyte and t10k-images-idx3-ubyte, plain or .gz", download):
        assert root is not None
        if download:
            from torchvision import datasets  # here: it is slow to import

            getattr(datasets, published)(root, download=True)
        train, test = found(root, "train", published), found(root, "t10k", published)
    images = {"train": padded(train), "test": padded(test)}
    read = labels(root, published, {split: len(each) for split, each in images.items()})
    return SquareArrays(name, (mean,), (std,), **images, classes=classes if read else [], labels=read)


def reads(published: str) -> list[str]:
    """Where `found` looks for images, as patterns. Their labels go with them."""
    return [f"{folder}{part}-images-idx3-ubyte*" for folder in ("", f"{published}/raw/") for part in ("train", "t10k")]


@data_set("mnist", SquareArrays, terms="Creative Commons Attribution-ShareAlike 3.0.", reads=reads("MNIST"))
def mnist(root: str | None, download: bool) -> SquareArrays:
    """Handwritten digits."""
    return arrays("mnist", "MNIST", 0.1001, 0.2752, list("0123456789"), root, download)


@data_set("fashion_mnist", SquareArrays, terms="MIT, Zalando SE.", reads=reads("FashionMNIST"))
def fashion_mnist(root: str | None, download: bool) -> SquareArrays:
    """Pictures of clothes."""
    return arrays("fashion_mnist", "FashionMNIST", 0.2188, 0.3317, CLOTHES, root, download)
