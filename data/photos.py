"""Photographs: a folder of images, and another to test on if there is one."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from data.module import DataModule, Images

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Of a folder in the order of its names; the test share goes to training where there is a folder to test on.
SPLIT_OF_TEN = ("train", "train", "train", "train", "test", "train", "train", "train", "train", "val")


def paths(folder: str | None, key: str) -> list[Path]:
    """The images of a folder, sorted by name. Raises ValueError where there are none."""
    if folder is None:
        raise ValueError(f"{key} is not set; name the folder that holds your images: {key}=path/to/images")
    if not Path(folder).is_dir():
        raise ValueError(f"{key}={folder} is no folder; name one that holds images ({', '.join(SUFFIXES)})")
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{key}={folder} holds no image; these are read: {', '.join(SUFFIXES)}")
    return found


def read(path: Path) -> Tensor:
    """(3, H, W) uint8 RGB, turned upright. Raises ValueError for what is no image of 8 bits a channel."""
    try:
        with Image.open(path) as picture:
            if picture.mode[0] in "IF":  # 16 bits, 32 bits or floating: turned to RGB they would be clipped
                raise ValueError(f"{path} has more than 8 bits a channel; convert it to 8 bits")
            pixels = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); remove it or write it again") from None
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


class WholeImages(Dataset[dict[str, Tensor | str]]):
    """Images as they are, each of its own size: {"image": (3, H, W) uint8, "name": the file's without suffix}.

    Decoded once and kept in memory. Nothing about them is random: (epoch, index) gives what index gives.
    """

    def __init__(self, files: list[Path]) -> None:
        self.names = [path.stem for path in files]
        self.images = [read(path) for path in files]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor | str]:
        index = key[1] if isinstance(key, tuple) else key
        return {"image": self.images[index], "name": self.names[index]}


class RandomCrops(Dataset[dict[str, Tensor | str]]):
    """`each` crops of every image, as {"image": (3, size, size) uint8, "name": str}.

    Where a crop lies and which of the square's eight symmetries turns it depends on (seed, epoch, index) alone.
    Asked for an index without an epoch it answers as in epoch 0.
    """

    def __init__(self, whole: WholeImages, size: int, each: int, seed: int) -> None:
        if each < 1:
            raise ValueError(f"data.crops_per_image must be 1 or more, not {each}")
        for image, name in zip(whole.images, whole.names, strict=True):
            if not 1 <= size <= min(image.shape[1:]):
                raise ValueError(
                    f"data.crop={size} does not fit the image {name} of {image.shape[1]} x {image.shape[2]} pixels; "
                    f"choose a crop from 1 to {min(image.shape[1:])}"
                )
        self.whole, self.size, self.each, self.seed = whole, size, each, seed

    def __len__(self) -> int:
        return self.each * len(self.whole)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor | str]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        image, name = self.whole.images[index // self.each], self.whole.names[index // self.each]
        random = np.random.default_rng((self.seed, epoch, index))
        top, left = (int(random.integers(length - self.size + 1)) for length in image.shape[1:])
        crop = image[:, top : top + self.size, left : left + self.size]
        upside_down, mirrored, transposed = random.random(3) < 0.5
        if upside_down:
            crop = crop.flip(-2)
        if mirrored:
            crop = crop.flip(-1)
        return {"image": crop.transpose(-1, -2) if transposed else crop, "name": name}


def moments(images: list[Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel over all pixels of uint8 images (C, H, W), in [0, 1]."""
    counts = torch.stack([torch.stack([c.flatten().bincount(minlength=256) for c in image]) for image in images]).sum(0)
    share = (counts / counts.sum(1, keepdim=True)).double().numpy()
    level = np.arange(256) / 255
    mean = share @ level
    return mean, np.sqrt(share @ level**2 - mean**2)


class Photos:
    """The source that conf/data/photos.yaml describes. Training takes random crops; validation and test take whole
    images, one at a time since sizes differ."""

    def __init__(
        self, root: str | None, test_root: str | None, crop: int, crops_per_image: int, batch_size: int, seed: int
    ) -> None:
        shares: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
        for i, path in enumerate(paths(root, "data.root")):
            shares[SPLIT_OF_TEN[i % 10]].append(path)
        if test_root is not None:
            shares["train"] = sorted(shares["train"] + shares["test"])
            shares["test"] = paths(test_root, "data.test_root")
        for split, files in shares.items():
            if not files:
                raise ValueError(
                    f"data.root={root} holds too few images: none is left for {split}; give it at least ten"
                )
        train = WholeImages(shares["train"])
        self.train = RandomCrops(train, crop, crops_per_image, seed)
        self.val, self.test = WholeImages(shares["val"]), WholeImages(shares["test"])
        self.mean, self.std = moments(train.images)
        self.batch_size, self.seed = batch_size, seed

    def high_resolution_images(self) -> DataModule:
        """Colour images."""
        info = Images("photos", tuple(self.mean.tolist()), tuple(self.std.tolist()))
        return DataModule(
            info, self.train, self.val, self.test, batch_size=self.batch_size, seed=self.seed, test_batch_size=1
        )
