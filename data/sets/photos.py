"""Photographs for super-resolution: a folder of images, DIV2K, and a folder to test on such as Set5; pairs."""

from collections.abc import Sequence
from pathlib import Path

from data.contract import USERS_OWN, Known, data_set
from data.files.finding import Finder, Pair, existing
from data.files.layout import Layout, suffixes
from data.files.reading import Unreadable
from data.forms import PairFiles, PhotoFiles
from plumbing.messages import printable

# Of a folder in the order of its names; the test share goes to training where there is a folder to test on.
SPLIT_OF_TEN = ("train", "train", "train", "train", "test", "train", "train", "train", "train", "val")
# What the folders of pairs are called, in any case.
LARGE = ("hr", "high", "gt", "groundtruth", "ground_truth", "target", "targets")
SMALL = ("lr", "low", "lq", "input", "inputs")
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
    pairs = finder.listed(existing(root, "data.root"))
    return tenths(pairs, ("val",) if tested else ("val", "test"), root) | ({"test": []} if tested else {})


def tenths(pairs: Sequence[Pair], taken: Sequence[str], root: str | None) -> dict[str, list[Pair]]:
    """Of every ten in their order one for validation and one for test, as far as these are taken; the rest trains."""
    splits: dict[str, list[Pair]] = {"train": [], **{split: [] for split in taken}}
    for i, pair in enumerate(pairs):
        split = SPLIT_OF_TEN[i % 10]
        splits[split if split in taken else "train"].append(pair)
    for split, found in splits.items():
        if not found:
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
        return PhotoFiles("photos", {"test": benchmark(find, existing(test_root or root, key), scale)}, scale)
    splits = in_tenths(find, root, test_root is not None)
    tested_on(find, splits, test_root, scale)
    return PhotoFiles("photos", splits, scale)


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
    return PhotoFiles("div2k", splits, scale)


@data_set("pairs", PairFiles, terms=USERS_OWN)
def pairs(find: Finder, known: Known | None, root: str | None, scale: int | None) -> PairFiles:
    """hr/ and lr/ with both images of each pair, or train/, val/ and test/ with both in each."""
    found = Layout(root, SMALL, LARGE)
    given: dict[str, list[Pair]] = {}
    low: dict[Pair, Pair] = {}
    notes = list(found.notes)
    for split, (large, small) in found.splits.items():
        assert small is not None
        of_split, told = both(find, large, small)
        given[split or "train"] = list(of_split)
        low |= of_split
        notes += told
    name = printable(found.top.resolve().name)
    part = None if known is None else known.part
    if part == "all" or (part == "auto" and "test" not in given):
        return PairFiles(name, {"test": list(low)}, low, scale, [*notes, f"Scored on all {len(low)} pairs"])
    if (scored := "test" if part == "auto" else part) in given:
        return PairFiles(name, {"test": given[scored]}, low, scale, notes)
    if "train" not in given:
        raise ValueError(f"{root} has {' and '.join(given)}, but no train folder; add it, or put all in one hr and lr")
    if "val" in given and "test" not in given:
        given["test"] = given["val"]
        notes.append("There is no test folder: the validation images serve as test images too")
    missing = [split for split in ("val", "test") if split not in given]
    splits = given | tenths(given["train"], missing, root)
    return PairFiles(name, splits if part is None else {"test": splits[part]}, low, scale, notes)


def both(find: Finder, large: Path, small: Path) -> tuple[dict[Pair, Pair], list[str]]:
    """The small image of each large one of two folders, in the order of their names, and a note where these differ by
    what they end in. What has none is refused."""
    one, other = find.images(large), find.images(small)
    try:
        ends, end = suffixes(list(one), list(other), "auto", "auto")
    except Unreadable:
        ends, end = "", ""  # several fit as well; each that has no other of its name is named below
    notes = [f"Images of {large} and {small} are paired as NAME{end} and NAME{ends}"] if end or ends else []
    stems = {stem.removesuffix(end): path for stem, path in one.items() if stem.endswith(end)}
    others = {stem.removesuffix(ends): path for stem, path in other.items() if stem.endswith(ends)}
    for mine, theirs, folder in ((stems, others, small), (others, stems, large)):
        for stem in sorted(set(mine) - set(theirs)):
            find.refuse(Unreadable(f"{mine[stem]} has no image of its name in {folder}; add it, or remove this one"))
    names = sorted(set(stems) & set(others))
    return {Pair(stem, stems[stem]): Pair(stem, others[stem]) for stem in names}, notes
