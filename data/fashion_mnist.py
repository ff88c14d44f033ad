"""Fashion-MNIST: 70 000 grey pictures of clothes (Xiao et al., 2017), from the IDX files that everyone shares."""

import gzip
import struct
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from data.module import DataModule, Images

SIDE, BORDER = 28, 2  # pixels: of a stored image, and of the black added around it, 32 in all
MEAN, STD = (0.2188,), (0.3317,)  # of the training images, border included
VALIDATION = 5000  # the last of the training images; what is tested is the authors' own test set


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


def find(root: Path, stem: str) -> Path:
    """Where a file lies: in root, as Debian's package keeps it, or in root/FashionMNIST/raw, as torchvision does."""
    candidates = [root / folder / (stem + end) for folder in ("", "FashionMNIST/raw") for end in ("", ".gz")]
    for path in candidates:
        if path.exists():
            return path
    raise ValueError(
        f"data.root={root} holds no {stem}[.gz]; install Debian's dataset-fashion-mnist and set "
        "data.root=/usr/share/datasets/fashion-mnist, or set data.root to a folder of yours and data.download=true"
    )


class Clothes(Dataset[dict[str, Tensor | str]]):
    """Images as {"image": (1, 32, 32) uint8, "name": str}.

    Asked for (epoch, index) it answers as for the index: a mirrored shoe would no longer be one of these shoes.
    """

    def __init__(self, images: Tensor, name: str) -> None:
        self.images, self.name = F.pad(images, (BORDER,) * 4)[:, None], name

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor | str]:
        index = key[1] if isinstance(key, tuple) else key
        return {"image": self.images[index], "name": f"{self.name}-{index:05d}"}


class FashionMNIST:
    """The source that conf/data/fashion_mnist.yaml describes.

    Images are padded from 28 to 32 pixels. Resizing would sample them at eight phases in turn, and so print
    a pattern of period 8 into the real images: just what the networks here are measured for.
    """

    def __init__(self, root: str, download: bool, crop: int, batch_size: int, seed: int) -> None:
        side = SIDE + 2 * BORDER
        if crop != side:
            raise ValueError(
                f"data.crop is {crop}, but Fashion-MNIST comes in {side} pixels a side; set data.crop={side}, "
                f"for a DCGAN model.size={side}"
            )
        if download:
            from torchvision.datasets import FashionMNIST as Download  # here: it is slow to import

            Download(root, download=True)
        train = read_idx(find(Path(root), "train-images-idx3-ubyte"))
        test = read_idx(find(Path(root), "t10k-images-idx3-ubyte"))
        kept = max(1, min(VALIDATION, len(train) // 2))
        self.train = Clothes(train[:-kept], "train")
        self.val, self.test = Clothes(train[-kept:], "val"), Clothes(test, "test")
        self.batch_size, self.seed = batch_size, seed

    def images(self) -> DataModule:
        """Grey images."""
        info = Images("fashion_mnist", MEAN, STD)
        return DataModule(
            info, self.train, self.val, self.test, batch_size=self.batch_size, seed=self.seed, test_batch_size=100
        )
