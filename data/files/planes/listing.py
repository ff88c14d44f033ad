"""Which masks of classes that may overlap there are, and which belong to which image. Nothing is decoded here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.files.finding import Finder, Pair
from data.files.layout import holds_images, is_image, subfolders
from data.files.reading import Unreadable, read_header


def class_folders(images: Path, masks: Path) -> list[Path]:
    """The folders of masks of one class each; none where masks lie in the folder itself, or as the images do."""
    if any(is_image(path) for path in masks.iterdir()):
        return []
    found = [path for path in subfolders(masks) if holds_images(path)]
    return [] if {path.name for path in found} & {path.name for path in subfolders(images)} else found


def pairs(find: Finder, images: Path, folders: Mapping[str, Path], classes: Sequence[str], suffix: str) -> list[Pair]:
    """Images with the mask of each class, of the same stem but for `suffix`; a class is nowhere in an image that it has
    no mask for. An image without any is refused or left out, as data.unlabelled says."""
    by_stem = find.images(images)
    masks = {name: find.images(folder, suffix) for name, folder in folders.items()}
    for found in masks.values():
        for stem, mask in sorted(found.items()):
            if stem not in by_stem:
                find.refuse(Unreadable(f"the mask {mask} has no image of the same stem; add it or remove the mask"))
    made = []
    for stem, image in sorted(by_stem.items()):
        planes = tuple(masks.get(name, {}).get(stem) for name in classes)
        first = next((path for path in planes if path is not None), None)
        if first is not None:
            made.append(Pair(stem, image, first, planes))
        elif find.unlabelled == "skip":
            find.unlabelled_count += 1
        else:
            find.refuse(
                Unreadable(
                    f"the image {image} has no mask of any class; add one, black where there is nothing, or leave "
                    "such images out by data.unlabelled=skip"
                )
            )
    return made


def bands_in(pairs: Sequence[Pair]) -> int:
    """How many bands masks have, each of a class, by the first of them; 1 where it is one of labels."""
    try:
        header = read_header(next(pair.mask for pair in pairs if pair.mask is not None))
    except (StopIteration, Unreadable):  # what is wrong with it is said where it is read
        return 1
    return header.bands if header.mode == "bands" else 1
