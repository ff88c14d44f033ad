"""Which files there are, and which mask belongs to which image. Nothing is decoded here."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from data.files.reading import SUFFIXES, Unreadable
from data.files.threads import in_threads

Out = TypeVar("Out")
MOST_AGAIN = 100  # times that links may lead to folders that were seen before


@dataclass(frozen=True)
class Pair:
    """An image and its mask, if it has one; `name` is unique in its data set, and text that every file and picture
    takes: bytes of a file's name that are no UTF-8 stand in it as \\udcff does.

    planes  of classes that may overlap the mask of each, None where it has none, as no pixel is of the class; `mask` is
            then the first of them, or, without planes, a file with a band for each class
    """

    name: str
    image: Path
    mask: Path | None = None
    planes: tuple[Path | None, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All its files, each once."""
        return list(dict.fromkeys(path for path in (self.image, self.mask, *self.planes) if path is not None))

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name.encode(errors="backslashreplace").decode())


def existing(path: str | Path | None, key: str) -> Path:
    """The folder that a configuration's `key` names. Raises ValueError where there is none."""
    if path is None:
        raise ValueError(f"{key} is not set; name the folder that holds your data: {key}=path/to/folder")
    if not Path(path).is_dir():
        raise ValueError(f"{key}={path} is no folder; name the folder that holds your data: {key}=path/to/folder")
    return Path(path)


def walk(top: Path) -> Iterator[Path]:
    """All files below a folder, sorted, links followed. What starts with a dot is not meant to be seen.

    Raises ValueError for links in a loop, and for links by which the same folders come again and again: two in each of
    thirty folders are a billion ways.
    """
    todo: list[tuple[Path, tuple[str, ...] | None]] = [(top, ())]  # with the real folders above; None: a file
    seen: set[str] = set()
    again = 0
    while todo:  # no recursion: depth is what a folder's author chooses
        path, above = todo.pop()
        if above is None:
            yield path
            continue
        real = os.path.realpath(path)
        if real in above:
            raise ValueError(f"{path} is a link to a folder that it lies in, a loop without end; remove the link")
        again += real in seen
        seen.add(real)
        if again > MOST_AGAIN:
            raise ValueError(f"links below {top} lead to the same folders more than {MOST_AGAIN} times; remove some")
        try:
            with os.scandir(path) as found:
                entries = sorted(((e.name, is_folder(e)) for e in found if not e.name.startswith(".")), reverse=True)
        except PermissionError:
            raise ValueError(f"the folder {path} may not be read by you; give it permission (chmod u+rx)") from None
        todo += [(path / name, (*above, real) if folder else None) for name, folder in entries]


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry of a folder is a folder, or a link to one; a link to nothing and one in a loop are none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


class Finder:
    """Lists and pairs files. What is wrong with a single file is raised at once or, with on_error=skip, kept in
    `skipped` as its sentence.

    on_error    raise | skip
    unlabelled  of an image without mask: refuse (as wrong) | skip (count it in `unlabelled_count`)
    """

    def __init__(self, on_error: str, unlabelled: str) -> None:
        self.on_error, self.unlabelled = on_error, unlabelled
        self.skipped: list[str] = []
        self.unlabelled_count = 0

    def refuse(self, error: Unreadable) -> None:
        """Raise what is wrong with a file, or keep it where such files are skipped."""
        if self.on_error == "raise":
            raise error
        if str(error) not in self.skipped:
            self.skipped.append(str(error))

    def usable(self, work: Callable[[Pair], Out], pairs: Sequence[Pair], what: str) -> dict[Pair, Out]:
        """`work` of each pair; those for which it raises Unreadable are refused."""

        def attempt(pair: Pair) -> Out | Unreadable:
            try:
                return work(pair)
            except Unreadable as error:
                return error

        done: dict[Pair, Out] = {}
        for pair, found in zip(pairs, in_threads(attempt, pairs, what), strict=True):
            if isinstance(found, Unreadable):
                self.refuse(found)
            else:
                done[pair] = found
        return done

    def notes(self) -> list[str]:
        """What was left out, in lines for the log of a run."""
        n = self.unlabelled_count
        return [f"Warning: images without a mask, left out by data.unlabelled=skip: {n}"] if n else []

    def images(self, top: Path, suffix: str = "") -> dict[str, Path]:
        """The images below a folder by their stem: the path below it, without file suffix and without `suffix`.

        Names written with composed and with decomposed letters, as macOS does, are the same.
        """
        return {stem: path for stem, path in self._images(top, suffix).items() if path is not None}

    def _images(self, top: Path, suffix: str) -> dict[str, Path | None]:
        """As `images`, with None for the stems of several files, which are refused."""
        found: dict[str, list[Path]] = {}
        for path in walk(top):
            if path.suffix.lower() in SUFFIXES and path.stem.endswith(suffix):
                stem = path.relative_to(top).with_suffix("").as_posix().removesuffix(suffix)
                found.setdefault(unicodedata.normalize("NFC", stem), []).append(path)
        if not found:
            raise ValueError(f"{top} holds no image; these are read: {', '.join(SUFFIXES)}")
        for paths in found.values():
            if len(paths) > 1:
                names = " and ".join(path.name for path in paths)
                self.refuse(Unreadable(f"{paths[0].parent} holds {names}, which have the same stem; keep one of them"))
        return {stem: paths[0] if len(paths) == 1 else None for stem, paths in found.items()}

    def listed(self, top: Path, suffix: str = "") -> list[Pair]:
        """The images below a folder in the order of their names, without masks."""
        return [Pair(stem, image) for stem, image in sorted(self.images(top, suffix).items())]

    def pairs(self, images: Path, masks: Path, image_suffix: str = "", mask_suffix: str = "") -> list[Pair]:
        """Images and masks of two folders, paired by stem, sorted."""
        by_stem, labels = self._images(images, image_suffix), self._images(masks, mask_suffix)
        for stem, mask in sorted(labels.items()):
            if mask is not None and stem not in by_stem:
                self.refuse(Unreadable(f"the mask {mask} has no image of the same stem; add it or remove the mask"))
        for stem, image in sorted(by_stem.items()):
            if image is None or stem in labels:
                continue
            if self.unlabelled == "skip":
                self.unlabelled_count += 1
                continue
            self.refuse(
                Unreadable(
                    f"the image {image} has no mask of the same stem; add it, or leave such images out by "
                    "data.unlabelled=skip"
                )
            )
        both = ((stem, image, labels.get(stem)) for stem, image in sorted(by_stem.items()))
        return [Pair(stem, image, mask) for stem, image, mask in both if image is not None and mask is not None]
