"""A folder of one's own: images/ and masks/, or train/, val/ and test/ with both in each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from data.contract import USERS_OWN, Known, data_set
from data.files import labels, layout
from data.files.bands import NoData, Wish
from data.files.finding import Finder, Pair
from data.files.labels import Labelling
from data.files.masks import Colours
from data.files.planes import listing as planes
from data.files.planes.numbers import labelling_of
from data.files.reading import read_header
from data.forms import RGB, Kind, LabelledFiles, SquareFiles, ValuedFiles
from data.splits import by_seed
from plumbing.messages import printable
from plumbing.options import Range

LOSSY = (".jpg", ".jpeg")
Share = Annotated[float, Range(0, 1, open="both")]


@data_set("folder", LabelledFiles, ValuedFiles, SquareFiles, terms=USERS_OWN)
def folder(
    kind: Kind,
    find: Finder,
    known: Known | None,
    root: str | None,
    ignore_index: int | list[int] | Literal["auto", "none"] = "auto",
    colours: dict[str, list[int]] | None = None,
    mask_suffix: str = "auto",
    image_suffix: str = "auto",
    val_share: Share = 0.15,
    test_share: Share = 0.15,
    split_seed: Annotated[int, Range(0)] = 0,
    bands: Literal["auto", "rgb", "all"] | list[int] = "auto",
    nodata: NoData = "auto",
    show: list[int] | None = None,
    value_nodata: NoData = "auto",
    unit: str = "",
) -> LabelledFiles | ValuedFiles | SquareFiles:
    """What conf/data/folder.yaml describes. Raises ValueError for what cannot be a data set."""
    beside = {"labelled_images": layout.MASKS, "images_with_values": layout.VALUES}.get(kind)
    found = layout.Layout(root, beside)
    notes, given = list(found.notes), {}
    apart = folders_of(found) if kind == "labelled_images" else {}
    names = ordered(labels.named_in(found.top / "classes.txt"), {name for each in apart.values() for name in each})
    for split, (images, labelled) in found.splits.items():
        if apart:
            suffix = "" if mask_suffix == "auto" else mask_suffix
            given[split] = planes.pairs(find, images, apart[split], names, suffix)
        elif labelled is None:
            given[split] = find.listed(images)
        else:
            given[split], told = layout.pairs(find, images, labelled, mask_suffix, image_suffix)
            notes += told
    name = printable(found.top.resolve().name)
    pairs = list(dict.fromkeys(pair for split in given.values() for pair in split))
    by_colour, labelling, palette, numbers, member = None, None, None, None, None
    if kind == "labelled_images" and not apart and (bands_of_masks := planes.bands_in(pairs)) > 1:
        names = [str(number) for number in range(1, bands_of_masks + 1)]
        names = named if len(named := ordered(labels.named_in(found.top / "classes.txt"))) == len(names) else names
        apart = {"": {}}
    if apart:
        labelling, member, numbers = labelling_of(find, pairs, names, ignore_index, str(found.top))
        notes += labelling.notes
    elif kind == "labelled_images":
        by_colour, labelling, palette, numbers = classes_of(find, found, pairs, ignore_index, colours, known)
        notes += labelling.notes
    if known is not None and known.part is not None:
        splits, told = to_score(given, known.part, val_share, test_share, split_seed)
    else:
        splits, told = to_train(str(found.top), given, val_share, test_share, split_seed, numbers, labelling)
    notes += told
    if kind == "images_with_values":
        return ValuedFiles(name, splits, unit, value_nodata, notes, Wish(bands, nodata, show))
    if labelling is None:
        return SquareFiles(name, splits, notes, *by_folder(pairs))
    lossy = sum(pair.mask is not None and pair.mask.suffix.lower() in LOSSY for pair in pairs)
    if lossy:
        notes.append(f"Warning: {lossy} masks are JPEG, which changes labels along edges; save masks as PNG")
    return LabelledFiles(
        name,
        labelling.classes,
        labels.drawn_in(labelling, palette),
        splits,
        labelling.labels,
        labelling.ignored,
        by_colour,
        notes,
        Wish(bands, nodata, show),
        member,
    )


def by_folder(pairs: Sequence[Pair]) -> tuple[list[str], dict[Pair, int]]:
    """Classes of images without labels, and the place of each image's among them: the folders that they lie in, the
    first below that of all; none where an image lies in no such folder, or all lie in one."""
    folders = {pair: pair.name.rpartition("/")[0].partition("/")[0] for pair in pairs}
    found = sorted(set(folders.values()))
    if "" in found or len(found) < 2:
        return [], {}
    return [printable(each, labels.LONGEST) for each in found], {p: found.index(each) for p, each in folders.items()}


def folders_of(found: layout.Layout) -> dict[str, dict[str, Path]]:
    """Of each split the folder of masks of each class by its name; nothing where masks are not kept so."""
    named = {
        split: {path.name: path for path in planes.class_folders(images, masks)}
        for split, (images, masks) in found.splits.items()
        if masks is not None
    }
    return named if any(named.values()) else {}


def ordered(named: list[str] | dict[int, str] | None, folders: set[str] | None = None) -> list[str]:
    """The names of classes that may overlap, in the order of classes.txt where that has them. Raises ValueError where
    it has others than there are folders."""
    listed = list(named.values()) if isinstance(named, dict) else named or []
    if not folders:
        return listed
    if listed and set(listed) != folders:
        raise ValueError(
            f"classes.txt names {', '.join(listed)}, but the folders of masks are {', '.join(sorted(folders))}; call "
            "both alike, or leave out classes.txt"
        )
    return listed or sorted(folders)


def classes_of(
    find: Finder,
    found: layout.Layout,
    pairs: list[Pair],
    ignore_index: labels.Ignore,
    colours: dict[str, list[int]] | None,
    known: Known | None,
) -> tuple[Colours | None, Labelling, Sequence[RGB] | None, dict[Pair, frozenset[int]]]:
    """By data.colours or the numbers in the masks and classes.txt: the colour table, the classes, their colours, and
    which numbers are in which mask. What a trained network knows comes first where the folder says nothing else."""
    if colours is not None:
        by_colour, labelling, palette = labels.of_colours(colours, ignore_index)
        return by_colour, labelling, palette, labels.look(find, pairs, by_colour).numbers
    coloured = [pair for pair in pairs if pair.mask is not None and in_colour(pair)]
    if 2 * len(coloured) > len(pairs):  # a single one is said to be wrong where it is read
        line = labels.colours_to_name(coloured)
        raise ValueError(
            f"the masks of {found.top} are in colour ({len(coloured)} of {len(pairs)}, such as {coloured[0].mask}); "
            f"say which colour is which class, and `ignore` for what is none: {line}"
        )
    seen = labels.look(find, pairs)
    names = labels.named_in(found.top / "classes.txt")
    if known is not None and known.classes is not None and names is None:
        labelling = Labelling(known.classes, known.labels, known.ignored_beside(seen.pixels, ignore_index))
        total = max(1, sum(seen.pixels.values()))
        labelling.notes.extend(
            f"Ignored: the number {number}, {seen.pixels[number] / total:.1%} of all pixels"
            for number in labelling.ignored
            if number in seen.pixels
        )
    else:
        labelling = labels.of_numbers(seen.pixels, names, ignore_index, str(found.top))
    return None, labelling, labels.palettes(find, pairs, labelling.labels), seen.numbers


def in_colour(pair: Pair) -> bool:
    """Whether a mask is an RGB picture that is not grey throughout."""
    assert pair.mask is not None
    try:
        if read_header(pair.mask).mode not in ("RGB", "RGBA", "RGBX"):
            return False
        return not labels.is_grey(pair.mask)
    except ValueError:
        return False  # what is wrong with it is said where it is read


def to_score(
    given: dict[str, list[Pair]], part: str, val_share: float, test_share: float, seed: int
) -> tuple[dict[str, list[Pair]], list[str]]:
    """What a network is scored on.

    part  test | val | all | auto: the test folder where there is one, else everything
    """
    everything = [pair for pairs in given.values() for pair in pairs]
    if part == "auto":
        part = "test" if "test" in given else "all"
    if part == "all":
        return {"test": everything}, [f"Scored on all {len(everything)} images of the folder"]
    if part in given:
        return {"test": given[part]}, []
    shares = [1 - val_share - test_share, val_share, test_share]
    parts = dict(zip(("train", "val", "test"), by_seed(everything, shares, seed), strict=True))
    return {"test": parts[part]}, [f"Scored on {len(parts[part])} images, drawn for {part} by data.split_seed={seed}"]


def to_train(
    top: str,
    given: dict[str, list[Pair]],
    val_share: float,
    test_share: float,
    seed: int,
    numbers: dict[Pair, frozenset[int]] | None,
    labelling: Labelling | None,
) -> tuple[dict[str, list[Pair]], list[str]]:
    """Training, validation and test images, those that have no folder taken from others, and notes that say so."""
    if val_share + test_share >= 1:
        raise ValueError(
            f"data.val_share={val_share} and data.test_share={test_share} leave nothing to train on; their sum must be "
            "below 1"
        )
    if "" in given:
        given = {"train": given[""]}
    if "train" not in given:
        raise ValueError(
            f"{top} has {' and '.join(given)}, but no train folder; add it, or put all in one to have it split"
        )
    if "val" in given and "test" in given:
        return given, []
    if "val" in given:
        return given | {"test": given["val"]}, [
            "There is no test folder: the validation images serve as test images too"
        ]
    shares = [1 - val_share, val_share] if "test" in given else [1 - val_share - test_share, val_share, test_share]
    holds: Callable[[Pair], frozenset[int]] | None = None
    if numbers is not None and labelling is not None:
        wanted = frozenset(labelling.labels)
        holds = lambda pair: numbers.get(pair, frozenset()) & wanted  # noqa: E731
    drawn = by_seed(given["train"], shares, seed, holds)
    parts = dict(zip(("train", "val", "test"), drawn, strict=False))
    told = ", ".join(f"{len(pairs)} {part}" for part, pairs in parts.items())
    return given | parts, [f"Split at random by data.split_seed={seed}: {told}"]
