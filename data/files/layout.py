"""Where in a folder of one's own images, masks and splits lie, under the names that people give them."""

import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from data.files.finding import Finder, Pair, existing, is_folder, walk
from data.files.reading import SUFFIXES, Unreadable

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
IMAGES = ("images", "image", "imgs", "img", "jpegimages")
MASKS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "segmentationclasspng", "gt",
    "groundtruth", "ground_truth", "targets",
)  # fmt: skip
VALUES = ("values", "value", "targets", "target", "depths", "depth", "elevation", "heights", "height", "dem")


def subfolders(top: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones."""
    with os.scandir(top) as found:
        names = sorted(entry.name for entry in found if is_folder(entry) and not entry.name.startswith("."))
    return [top / name for name in names]


def holds_images(top: Path) -> bool:
    """Whether there is an image below a folder."""
    return any(path.suffix.lower() in SUFFIXES for path in walk(top))


def called(top: Path, names: Sequence[str]) -> Path | None:
    """The folder in `top` that holds images under one of the names, in any case. Raises ValueError where two do."""
    found = [path for path in subfolders(top) if path.name.lower() in names and holds_images(path)]
    if len(found) > 1:
        both = " and ".join(path.name for path in found)
        raise ValueError(f"{top} holds {both}, and it cannot be told which is meant; move or rename one of them")
    if not found:  # an empty one is named in what is refused
        found = [path for path in subfolders(top) if path.name.lower() in names][:1]
    return found[0] if found else None


def splits_in(top: Path) -> dict[str, Path]:
    """The folders of a folder that are named like splits. Raises ValueError where two are one split."""
    found: dict[str, Path] = {}
    for split, names in SPLITS.items():
        paths = [path for path in subfolders(top) if path.name.lower() in names]
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            raise ValueError(f"{top} holds {both}, which are one split by their names; move or rename one of them")
        if paths:
            found[split] = paths[0]
    return found


class Layout:
    """A folder of one's own.

    beside  the names of the folder beside the images, MASKS or VALUES, the first as it is asked for; None: images alone
    main    the names of the folder of images, likewise

    top     the folder
    splits  of each split the folder of its images and, where one beside them is wanted, that; "" for all in one
    notes   that name folders with images that are left alone

    Read are: images/ and masks/ (or values/); train/, val/, test/ with both in each; and images/ and masks/ with the
    splits in each; under any of the names in SPLITS, IMAGES and MASKS or VALUES.
    """

    def __init__(self, root: str | None, beside: Sequence[str] | None, main: Sequence[str] = IMAGES) -> None:
        self.top = top = existing(root, "data.root")
        self.splits: dict[str, tuple[Path, Path | None]] = {}
        used: set[Path] = set()
        if (named := splits_in(top)) and any(holds_images(path) for path in named.values()):
            for split, folder in named.items():
                self.splits[split] = self.parts(folder, beside, main)
                used.add(folder)
        else:
            images, labels = self.parts(top, beside, main)
            within = splits_in(images) if images != top else {}
            others = splits_in(labels) if labels is not None else {}
            if within and (beside is None or set(within) == set(others)):
                self.splits = {split: (path, others.get(split)) for split, path in within.items()}
            else:
                self.splits = {"": (images, labels)}
            used |= {path for path in (images, labels) if path is not None}
            if beside is None and images != top and (other := called(top, MASKS)) is not None:
                used.add(other)
        unused = [] if top in used else [path for path in subfolders(top) if path not in used and holds_images(path)]
        self.notes = [f"Not used: the images in {path}" for path in unused]

    @staticmethod
    def parts(top: Path, beside: Sequence[str] | None, main: Sequence[str]) -> tuple[Path, Path | None]:
        """The folders of images and of what is beside them in a folder; images alone may lie directly in it."""
        images = called(top, main)
        if beside is None:
            return images or top, None
        labels = called(top, beside)
        for path, part in ((images, main[0]), (labels, beside[0])):
            if path is None:
                found = ", ".join(each.name for each in subfolders(top)) or "none"
                tools = any(path.suffix.lower() == ".json" for path in walk(top))
                hint = "; outlines of COCO, labelme or YOLO become masks by python -m data.outlines" if tools else ""
                raise ValueError(
                    f"{top} has no folder {part}; put {main[0]} in {top}/{main[0]}, {beside[0]} in {top}/{beside[0]} "
                    f"(there now: {found}){hint}"
                )
        assert images is not None
        return images, labels


def pairs(find: Finder, images: Path, masks: Path, mask_suffix: str, image_suffix: str) -> tuple[list[Pair], list[str]]:
    """Images and masks of two folders, paired by their stems less suffixes, and a note where these were found.

    mask_suffix, image_suffix  what follows the common stem; auto: none where that pairs them, else found by looking
    """
    if "auto" not in (mask_suffix, image_suffix):
        return find.pairs(images, masks, image_suffix, mask_suffix), []
    stems = [path.relative_to(images).with_suffix("").as_posix() for path in walk(images) if is_image(path)]
    labels = [path.relative_to(masks).with_suffix("").as_posix() for path in walk(masks) if is_image(path)]
    found = suffixes(stems, labels, mask_suffix, image_suffix)
    notes = []
    if found != ("", ""):
        told = [
            f"data.{key}={value}" for key, value in zip(("mask_suffix", "image_suffix"), found, strict=True) if value
        ]
        notes.append(f"Masks of {masks} are matched to their images by {' '.join(told)}")
    return find.pairs(images, masks, found[1], found[0]), notes


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image."""
    return path.suffix.lower() in SUFFIXES


def suffixes(images: Sequence[str], masks: Sequence[str], mask: str, image: str) -> tuple[str, str]:
    """The suffixes of masks and images that pair them best; none where that is as good.

    mask, image  those that are given, or auto
    Raises Unreadable where masks of several suffixes pair equally well.
    """
    known = set(masks)
    given = ("" if mask == "auto" else mask, "" if image == "auto" else image)
    if not images or not masks or any(stem.removesuffix(given[1]) + given[0] in known for stem in images):
        return given
    ends = [given[1]] if image != "auto" else ["", *tails(images)]
    for end in ends:
        bare = {stem.removesuffix(end) for stem in images if stem.endswith(end)}
        counts: dict[str, int] = {}
        for label in masks:
            for at in range(len(label), 0, -1):
                if label[:at] in bare:
                    counts[label[at:]] = counts.get(label[at:], 0) + 1
                    break
        counts = {tail: n for tail, n in counts.items() if mask in ("auto", tail) and n > len(bare) / 2}
        if len(counts) > 1:
            raise Unreadable(
                f"masks end in {', '.join(sorted(counts))}; say by data.mask_suffix which of them are the labels"
            )
        if counts:
            return next(iter(counts)), end
    return given


def tails(stems: Sequence[str]) -> list[str]:
    """What all stems end in, from each separator on: of a_left, b_left that is _left."""
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*(reversed(stem) for stem in stems), strict=False))
    common = "".join(letters[0] for letters in columns)[::-1]
    return [common[i:] for i, letter in enumerate(common) if letter in "_-. "]
