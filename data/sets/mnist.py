"""MNIST (LeCun et al., 1998) and Fashion-MNIST (Xiao et al., 2017): 70 000 grey pictures each, in IDX files."""

import gzip
import struct
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.loading.datamodule import DataModule, Images
from data.loading.one_size import require_size, stacks
from data.sets.published import explained

SIDE, BORDER = 28, 2  # pixels: of a stored image, and of the black added around it, 32 in all


def read_idx(path: Path) -> Tensor:
    """(N, 28, 28) uint8 of an IDX file of images, plain or gzip. Raises ValueError for anything else."""
    stored = path.read_bytes()
    try:
        raw = gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored
    except (EOFError, OSError, zlib.error):
        raw = b""
    header = struct.unpack(">4i", raw[:16]) if len(raw) >= 16 else (0, 0, 0, 0)
    if header[0] != 0x803 or header[2:] != (SIDE, SIDE) or len(raw) != 16 + header[1] * SIDE**2:
        raise ValueError(f"{path} is no whole IDX file of {SIDE} x {SIDE} images; fetch it again")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=16).view(header[1], SIDE, SIDE)


class MNIST:
    """The source that conf/data/mnist.yaml describes.

    Images are padded from 28 to 32 pixels. Resizing would sample them at eight phases in turn, and so print
    a pattern of period 8 into the real images: just what the networks here are measured for.
    """

    name, downloader = "mnist", "MNIST"  # torchvision's class, and the folder that it keeps the files in
    mean, std = (0.1001,), (0.2752,)  # of the training images, border included

    def __init__(self, root: str | None, download: bool, crop: int, batch_size: int, seed: int) -> None:
        require_size(self.name, SIDE + 2 * BORDER, crop)
        self.batch_size, self.seed = batch_size, seed
        with explained(self.name, root, "train-images-idx3-ubyte and t10k-images-idx3-ubyte, plain or .gz", download):
            assert root is not None
            if download:
                from torchvision import datasets  # here: it is slow to import

                getattr(datasets, self.downloader)(root, download=True)
            train, test = self._find(root, "train"), self._find(root, "t10k")
        self.train, self.test = self._read(train), self._read(test)

    def _find(self, root: str, part: str) -> Path:
        """In root, as Debian's package keeps it, or in root/<name>/raw, as torchvision does."""
        folders = (Path(root), Path(root, self.downloader, "raw"))
        candidates = [f / f"{part}-images-idx3-ubyte{end}" for f in folders for end in ("", ".gz")]
        for path in candidates:
            if path.exists():
                return path
        raise FileNotFoundError(f"{candidates[0].name} is missing")

    @staticmethod
    def _read(path: Path) -> Tensor:
        return F.pad(read_idx(path), (BORDER,) * 4)[:, None]

    def images_of_one_size(self) -> DataModule:
        """Grey images of 32 x 32 pixels."""
        info = Images(self.name, self.mean, self.std)
        return stacks(info, self.train, self.test, self.batch_size, self.seed)


class FashionMNIST(MNIST):
    """The source that conf/data/fashion_mnist.yaml describes: the same format, other pictures."""

    name, downloader = "fashion_mnist", "FashionMNIST"
    mean, std = (0.2188,), (0.3317,)
