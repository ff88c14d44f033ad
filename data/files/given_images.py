"""The images that a command line names, and a name for the result of each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data.files.finding import walk
from data.files.reading import SUFFIXES


def find(inputs: Sequence[str], output: Path) -> tuple[dict[str, Path], list[str]]:
    """Images by distinct names without suffix, and a sentence for each folder that holds none.

    inputs  files, taken as they are, and folders, searched with all below them but `output`; each file counts once

    A name is the file's own, below its folder. Where several would share one, each keeps its suffix, is put below its
    folder's name, or gets a number: whichever comes first that tells them apart, on any file system.
    """
    ways: dict[Path, list[str]] = {}
    known: set[Path] = set()
    wrong = []
    for top in map(Path, inputs):
        folder, files = top.parent, [top]
        if top.is_dir():
            images = (path for path in walk(top) if path.suffix.lower() in SUFFIXES)
            folder, files = top, [path for path in images if output.resolve() not in path.resolve().parents]
        if not files:
            wrong.append(f"{top} holds no image; these are read: {', '.join(SUFFIXES)}")
        for path in files:
            if (real := path.resolve()) in known:
                continue
            known.add(real)
            below = path.relative_to(folder)
            names = [below.with_suffix(""), below]
            names += [folder.resolve().name / name for name in names]
            ways[path] = [name.as_posix() for name in names] + [f"{below.as_posix()}-{len(known)}"]
    step = dict.fromkeys(ways, 0)
    while clashing := clashes({path: ways[path][step[path]] for path in ways}):
        for path in clashing:
            step[path] += 1
    return {ways[path][step[path]]: path for path in ways}, wrong


def clashes(names: dict[Path, str]) -> list[Path]:
    """Whose name is not theirs alone, where a file system does not tell a from A."""
    count = Counter(name.casefold() for name in names.values())
    return [path for path, name in names.items() if count[name.casefold()] > 1]
