"""Photographs for super-resolution: a folder of images, DIV2K, and a folder to test on such as Set5."""

from pathlib import Path
from typing import Any

from data.files.cache import Decoded, Size
from data.files.finding import Finder, Pair, existing
from data.files.reading import Unreadable, read_header, read_image
from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.unlabelled import image_module

# Of a folder in the order of its names; the test share goes to training where there is a folder to test on.
SPLIT_OF_TEN = ("train", "train", "train", "train", "test", "train", "train", "train", "train", "val")
VALIDATION = 10  # images of DIV2K, the last of its training images


def listed(finder: Finder, top: Path, suffix: str = "") -> list[Pair]:
    """The images below a folder in the order of their names."""
    return [Pair(stem, image) for stem, image in sorted(finder.images(top, suffix).items())]


def benchmark(finder: Finder, top: Path, scale: int | None) -> list[Pair]:
    """The high-resolution images of a benchmark such as Set5, in whichever layout it came: directly in the folder,
    in HR, or as *_HR.png in image_SRF_2, image_SRF_3 and so on, where they are cropped to multiples of each scale.

    scale  of the network, which chooses among the last
    """
    if (top / "HR").is_dir():
        return listed(finder, top / "HR")
    if not any(top.glob("image_SRF_*")):
        return listed(finder, top)
    chosen = top / f"image_SRF_{scale}"
    if not chosen.is_dir():
        raise ValueError(
            f"data.test_root={top} holds no {chosen.name} for scale {scale}; set data.test_root to a folder of images"
        )
    return listed(finder, chosen, suffix="_HR")


def in_tenths(finder: Finder, root: str | None, tested: bool) -> dict[str, list[Pair]]:
    """The images of a folder, of every ten one for validation and one for test, unless it is tested on others."""
    splits: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
    for i, pair in enumerate(listed(finder, existing(root, "data.root"))):
        split = SPLIT_OF_TEN[i % 10]
        splits["train" if tested and split == "test" else split].append(pair)
    for split, pairs in splits.items():
        if not pairs and not (tested and split == "test"):
            raise ValueError(f"data.root={root} holds too few images: none is left for {split}; give it at least ten")
    return splits


def div2k(finder: Finder, root: str | None, tested: bool) -> dict[str, list[Pair]]:
    """DIV2K (Agustsson and Timofte, 2017): 800 training images, of which the last ten validate, and 100 to test on,
    the official validation images, as the labels of the official test split are not public."""
    top = existing(root, "data.root")
    parts = {}
    for part in ("DIV2K_train_HR", "DIV2K_valid_HR"):
        if not (top / part).is_dir():
            raise ValueError(
                f"data.root={root} holds no {part}; fetch {part}.zip from data.vision.ee.ethz.ch/cvl/DIV2K and unpack "
                "it there"
            )
        parts[part] = listed(finder, top / part)
    train = parts["DIV2K_train_HR"]
    return {"train": train[:-VALIDATION], "val": train[-VALIDATION:], "test": parts["DIV2K_valid_HR"]}


class Photos:
    """The source that conf/data/photos.yaml and div2k.yaml describe. Training takes random crops; validation and test
    take whole images, one at a time since sizes differ."""

    name = "photos"
    find = staticmethod(in_tenths)

    def __init__(
        self,
        root: str | None,
        test_root: str | None,
        scale: int | None,
        crop: int,
        crops_per_image: int,
        augment: dict[str, Any],
        on_error: str,
        **loading: Any,
    ) -> None:
        self.crop, self.crops_per_image, self.loading = crop, crops_per_image, loading
        self.augment = Augment(augment, crop)
        self.finder = Finder(on_error, "skip")
        self.splits = self.find(self.finder, root, test_root is not None)
        if test_root is not None:
            self.splits["test"] = benchmark(self.finder, existing(test_root, "data.test_root"), scale)
        self.trained_on = set(self.splits["train"])

    def size(self, pair: Pair) -> Size:
        """Height and width of an image. Raises Unreadable where a training image is smaller than a crop."""
        height, width = read_header(pair.image).upright
        if pair in self.trained_on and not 1 <= self.crop <= min(height, width):
            raise Unreadable(
                f"data.crop={self.crop} does not fit {pair.image} of {height} x {width} pixels; choose a crop from 1 "
                f"to {min(height, width)} or remove the image"
            )
        return height, width

    @staticmethod
    def decode(pair: Pair) -> Decoded:
        """The image, (3, H, W) uint8."""
        return read_image(pair.image), None

    def high_resolution_images(self) -> DataModule:
        """Colour images."""
        return image_module(
            self.name,
            self.finder,
            self.splits,
            self.size,
            self.decode,
            augment=self.augment,
            each=self.crops_per_image,
            version="",
            test_batch_size=1,
            **self.loading,
        )


class DIV2K(Photos):
    """The source that conf/data/div2k.yaml describes."""

    name = "div2k"
    find = staticmethod(div2k)
