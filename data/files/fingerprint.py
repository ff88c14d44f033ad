"""What lies in a folder of data, in a few letters: whoever has the same files has the same letters, wherever they lie.

Results depend on it, so a run's name and its comparisons do. Nothing is decoded, and torch is not needed.
"""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.files.finding import walk
from data.files.reading import SUFFIXES
from data.files.threads import THREADS

READ = (*SUFFIXES, ".csv", ".json", ".mat", ".txt")  # what a set may read of a folder: images, masks, lists
OUTPUTS = ("runs", "evaluations", "checks", "out")  # where commands write by default: in the data, if started there
WHOLE = 2**28  # bytes of all files together up to which they are read whole; takes less than a second
END = 2**12  # bytes of both ends of each file that are read beyond: formats of images keep their checksums there


def places(top: Path, reads: Sequence[str]) -> list[Path]:
    """The files and folders in a folder that fit one of the patterns, such as "images" or "*/raw"."""
    return [place for pattern in reads for place in sorted(top.glob(pattern))]


def listed(top: Path, reads: Sequence[str]) -> Iterator[Path]:
    """The files below a folder that a data set may read: those of `places`, or, where there is none, all but what
    commands write there."""
    found = places(top, reads)
    others = (place for place in sorted(top.iterdir()) if not place.name.startswith(".") and place.name not in OUTPUTS)
    for place in found or others:
        if place.is_dir():
            yield from (path for path in walk(place) if path.suffix.lower() in READ)
        elif found or place.suffix.lower() in READ:
            yield place


def fingerprint(tops: Sequence[tuple[Path, Sequence[str]]]) -> str | None:
    """Twelve hexadecimal digits of the names below each folder, the sizes and the contents of its files; None where
    there is no file.

    tops  folders, each with the patterns of `listed`
    Contents are read whole up to `WHOLE` bytes in all. Of more, each file's first and last `END` bytes are read: a file
    that differs in its middle alone and is of the same size is then taken for the same.
    Raises OSError, and ValueError as `walk` does.
    """
    found: list[tuple[str, Path, int]] = []
    for number, (top, reads) in enumerate(tops):
        top = Path(os.path.abspath(top))
        for path in listed(top, reads):
            state = path.stat()
            if stat.S_ISREG(state.st_mode):  # a pipe would be waited for
                name = unicodedata.normalize("NFC", str(path).removeprefix(str(top)))
                found.append((f"{number}{name}", path, state.st_size))
    if not found:
        return None
    whole = sum(size for _, _, size in found) <= WHOLE

    def lines(some: Sequence[tuple[str, Path, int]]) -> list[bytes]:
        return [b"\0".join((os.fsencode(n), b"%d" % size, digest(path, size, whole))) for n, path, size in some]

    parts = [found[i : i + 256] for i in range(0, len(found), 256)]  # a thread's way there takes longer than one file
    with ThreadPoolExecutor(THREADS) as pool:
        state_of_all = sorted(line for part in pool.map(lines, parts) for line in part)
    return hashlib.sha256(b"\n".join(state_of_all)).hexdigest()[:12]


def digest(path: Path, size: int, whole: bool) -> bytes:
    """The SHA-256 of a file, or of its two ends."""
    with path.open("rb", buffering=0) as file:
        contents = file.read() if whole else file.read(END)
        if not whole:
            file.seek(max(0, size - END))
            contents += file.read(END)
    return hashlib.sha256(contents).digest()
