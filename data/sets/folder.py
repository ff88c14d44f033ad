"""A folder of one's own: images/ and masks/, or train/, val/ and test/ with both in each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from data.contract import USERS_OWN, data_set
from data.files.finding import Finder, Pair, existing
from data.files.palette import voc_palette
from data.files.reading import Colours, read_header, read_mask
from data.files.splits import by_seed
from data.forms import Kind, LabelledFiles, SquareFiles
from plumbing.options import Range

IGNORED = 255  # the label that is not trained on, whatever number the files have for it
SPLITS = ("train", "val", "test")
LOSSY = (".jpg", ".jpeg")


@data_set("folder", LabelledFiles, SquareFiles, terms=USERS_OWN)
def folder(
    kind: Kind,
    find: Finder,
    root: str | None,
    ignore_index: Annotated[int, Range(0, 255)],
    colours: dict[str, list[int]] | None,
    val_share: Annotated[float, Range(0, 1, open="both")],
    test_share: Annotated[float, Range(0, 1, open="both")],
    split_seed: Annotated[int, Range(0)],
) -> LabelledFiles | SquareFiles:
    """What conf/data/folder.yaml describes. Raises ValueError for what cannot be a data set."""
    top = existing(root, "data.root")
    if kind == "images_of_one_size":
        splits, notes = split(top, lambda part: images_alone(find, part), val_share, test_share, split_seed)
        return SquareFiles(top.resolve().name, splits, notes)
    splits, notes = split(top, lambda part: find.pairs(*both(part)), val_share, test_share, split_seed)
    lossy = sum(pair.mask is not None and pair.mask.suffix.lower() in LOSSY for s in splits.values() for pair in s)
    if lossy:
        notes.append(f"Warning: {lossy} masks are JPEG, which changes labels along edges; save masks as PNG")

    names = classes_file(top / "classes.txt")
    if colours is not None:
        by_colour, names = colour_map(colours, ignore_index)
    else:
        by_colour = None
    if names is None:
        labels = discovered(find, [p for s in splits.values() for p in s], ignore_index, bool(lossy), top)
        if not {0, 255} - labels.keys() and len(labels) == 2:
            notes.append(f"The masks of {top} hold 0 and 255 alone, taken for two classes")
        notes.append(
            f"Classes found in the masks: {', '.join(labels.values())}; classes.txt, one name a line, names them"
        )
    else:
        labels = {label: name for label, name in enumerate(names) if label != ignore_index}
    if not labels:
        raise ValueError(f"{top} has no class but the ignored label {ignore_index}; set data.ignore_index to another")
    table = np.full(256, -1, np.int16)
    table[list(labels)] = np.arange(len(labels))
    table[ignore_index] = table[ignore_index] if ignore_index in labels else IGNORED
    return LabelledFiles(
        top.resolve().name, list(labels.values()), voc_palette(len(labels)), splits, IGNORED, table, by_colour, notes
    )


def images_alone(find: Finder, top: Path) -> list[Pair]:
    """The images in images/, or directly in a folder."""
    return find.listed(top / "images" if (top / "images").is_dir() else top)


def both(top: Path) -> tuple[Path, Path]:
    """The folders of images and masks."""
    for part in ("images", "masks"):
        if not (top / part).is_dir():
            raise ValueError(f"{top} has no folder {part}; put images in {top}/images, masks in {top}/masks")
    return top / "images", top / "masks"


def split(
    top: Path, found: Callable[[Path], list[Pair]], val_share: float, test_share: float, seed: int
) -> tuple[dict[str, list[Pair]], list[str]]:
    """Training, validation and test images, those that have no folder taken from others, and notes that say so.

    found  lists what is in a folder
    """
    if val_share + test_share >= 1:
        raise ValueError(
            f"data.val_share={val_share} and data.test_share={test_share} leave nothing to train on; their sum must be "
            "below 1"
        )
    given = {part: found(top / part) for part in SPLITS if (top / part).is_dir()} or {"train": found(top)}
    if "train" not in given:
        raise ValueError(f"{top} has {' and '.join(given)}, but no train folder; add it, or put all in one")
    if "val" in given and "test" in given:
        return given, []
    if "val" in given:
        return given | {"test": given["val"]}, [
            "There is no test folder: the validation images serve as test images too"
        ]
    shares = [1 - val_share, val_share] if "test" in given else [1 - val_share - test_share, val_share, test_share]
    parts = dict(zip(SPLITS, by_seed(given["train"], shares, seed), strict=False))
    drawn = ", ".join(f"{len(pairs)} {part}" for part, pairs in parts.items())
    return given | parts, [f"Split at random by data.split_seed={seed}: {drawn}"]


def classes_file(path: Path) -> list[str] | None:
    """The names in classes.txt, one a line, line 1 for label 0; None where there is no such file."""
    if not path.exists():
        return None
    names = path.read_text(encoding="utf-8-sig").split("\n")
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    wrong = next((i for i, name in enumerate(names, 1) if not name or name in names[: i - 1]), None)
    if wrong is not None or not 1 <= len(names) <= 255:
        where = f"line {wrong} is empty or repeats a name" if wrong else f"it has {len(names)} lines"
        raise ValueError(f"{path} must name each class in a line of its own, 255 at most, but {where}")
    return names


def colour_map(colours: dict[str, list[int]], ignore_index: int) -> tuple[Colours, list[str]]:
    """The labels of data.colours' colours, in order, and their names; `ignore` is no class."""
    for name, rgb in colours.items():
        if not (isinstance(rgb, Sequence) and len(rgb) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in rgb)):
            raise ValueError(f"data.colours.{name} is {rgb}; a colour is three whole numbers from 0 to 255")
    names = [name for name in colours if name != "ignore"]
    if len({tuple(rgb) for rgb in colours.values()}) < len(colours):
        raise ValueError("data.colours gives one colour to two classes; each needs its own")
    if ignore_index < len(names):
        raise ValueError(
            f"data.ignore_index is {ignore_index}, a label of data.colours; colours are ignored by `ignore`"
        )
    labels = {name: i for i, name in enumerate(names)} | {"ignore": ignore_index}
    return {(rgb[0], rgb[1], rgb[2]): labels[name] for name, rgb in colours.items()}, names


def discovered(find: Finder, pairs: list[Pair], ignore_index: int, lossy: bool, top: Path) -> dict[int, str]:
    """The labels that occur in masks, but for the ignored one, and a name for each: its number."""

    def labels(pair: Pair) -> set[int]:
        assert pair.mask is not None
        return set(np.unique(read_mask(pair.mask, read_header(pair.image))).tolist())

    unique = list(dict.fromkeys(pairs))
    found = sorted(set().union(*find.usable(labels, unique, "Looking for classes in the masks").values()))
    if found != [0, 255]:
        found = [label for label in found if label != ignore_index]
    if len(found) > (16 if lossy else 64):
        raise ValueError(
            f"the masks of {top} hold {len(found)} different labels, too many to be found by looking; name the classes "
            "in classes.txt, and save masks that are JPEG as PNG"
        )
    return {label: str(label) for label in found}
