"""Photographs for super-resolution: a folder of images, DIV2K, and a folder to test on such as Set5."""

from pathlib import Path

from data.contract import USERS_OWN, Known, data_set
from data.files.finding import Finder, Pair, existing
from data.forms import PhotoFiles

# Of a folder in the order of its names; the test share goes to training where there is a folder to test on.
SPLIT_OF_TEN = ("train", "train", "train", "train", "test", "train", "train", "train", "train", "val")
VALIDATION = 10  # images of DIV2K, the last of its training images


def benchmark(finder: Finder, top: Path, scale: int | None) -> list[Pair]:
    """The high-resolution images of a benchmark such as Set5, in whichever layout it came: directly in the folder,
    in HR, or as *_HR.png in image_SRF_2, image_SRF_3 and so on, where they are cropped to multiples of each scale.

    scale  of the network, which chooses among the last
    """
    if (top / "HR").is_dir():
        return finder.listed(top / "HR")
    if not any(top.glob("image_SRF_*")):
        return finder.listed(top)
    chosen = top / f"image_SRF_{scale}"
    if not chosen.is_dir():
        raise ValueError(
            f"data.test_root={top} holds no {chosen.name} for scale {scale}; set data.test_root to a folder of images"
        )
    return finder.listed(chosen, suffix="_HR")


def in_tenths(finder: Finder, root: str | None, tested: bool) -> dict[str, list[Pair]]:
    """The images of a folder, of every ten one for validation and one for test, unless it is tested on others."""
    splits: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
    for i, pair in enumerate(finder.listed(existing(root, "data.root"))):
        split = SPLIT_OF_TEN[i % 10]
        splits["train" if tested and split == "test" else split].append(pair)
    for split, pairs in splits.items():
        if not pairs and not (tested and split == "test"):
            raise ValueError(f"data.root={root} holds too few images: none is left for {split}; give it at least ten")
    return splits


def official(finder: Finder, root: str | None) -> dict[str, list[Pair]]:
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
        parts[part] = finder.listed(top / part)
    train = parts["DIV2K_train_HR"]
    return {"train": train[:-VALIDATION], "val": train[-VALIDATION:], "test": parts["DIV2K_valid_HR"]}


def tested_on(finder: Finder, splits: dict[str, list[Pair]], root: str | None, scale: int | None) -> None:
    """Where a folder to test on is named, test on its images."""
    if root is not None:
        splits["test"] = benchmark(finder, existing(root, "data.test_root"), scale)


@data_set("photos", PhotoFiles, terms=USERS_OWN)
def photos(find: Finder, known: Known | None, root: str | None, test_root: str | None, scale: int | None) -> PhotoFiles:
    """A folder of photographs; where they only score a network, all of them."""
    if known is not None and known.part in ("auto", "all"):
        key = "data.root" if test_root is None else "data.test_root"
        return PhotoFiles("photos", {"test": benchmark(find, existing(test_root or root, key), scale)})
    splits = in_tenths(find, root, test_root is not None)
    tested_on(find, splits, test_root, scale)
    return PhotoFiles("photos", splits)


@data_set(
    "div2k",
    PhotoFiles,
    terms="Academic research only; the photographs stay their owners'.",
    reads=["DIV2K_train_HR", "DIV2K_valid_HR"],
)
def div2k(find: Finder, root: str | None, test_root: str | None, scale: int | None) -> PhotoFiles:
    """DIV2K."""
    splits = official(find, root)
    tested_on(find, splits, test_root, scale)
    return PhotoFiles("div2k", splits)
