"""Files that are whole or not there: each is written beside its place and takes its name when all of it is written, and
on the disk, so that the end of the power leaves one or the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, suffix: str = "") -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends; where it raises, what was there before stays.

    The folder is made. Content and name are flushed to the disk, so that the end of the power, too, leaves either file
    and never an empty one. suffix: for writers that go by the end of a name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial" + suffix)
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder. Raises OSError where it cannot."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; bytes of a path that are none stand in it as \\udcff does."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
