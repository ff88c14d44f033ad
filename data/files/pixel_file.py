"""A file of decoded pixels that is whole or not believed: written beside its place, with a digest of each image at its
end, checked whenever it is opened, and written anew where anything about it is wrong."""

import errno
import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.files.threads import in_threads
from plumbing.atomic import flush
from plumbing.messages import say

DIGEST = 32  # bytes of SHA-256
ABANDONED = 600  # seconds after which what a process that is gone has begun is removed


def opened(path: Path, starts: Sequence[int], fill: Callable[[Tensor], None]) -> Tensor:
    """The pixels in a file, mapped into memory, (bytes,) uint8; the file is written where there is no sound one.

    starts  of each image in the file, and the end of the last
    fill    writes all pixels into what it is given
    Raises ValueError where the disk has no room.
    """
    if path.exists():
        wrong = damaged(path, starts)
        if not wrong:
            return mapped(path, starts[-1])
        say(f"The cache {path} is damaged ({wrong}): it is written anew", sys.stderr)
    write(path, starts, fill)
    return mapped(path, starts[-1])


def mapped(path: Path, size: int, shared: bool = False) -> Tensor:
    """The first bytes of a file, (size,) uint8; what is written into them stays here unless they are shared."""
    return torch.from_file(str(path), shared=shared, size=size, dtype=torch.uint8)


def digests(pixels: Tensor, starts: Sequence[int]) -> list[bytes]:
    """SHA-256 of each image."""
    view: Any = pixels.numpy()  # its stub does not say that it is a buffer

    def one(index: int) -> bytes:
        return hashlib.sha256(view[starts[index] : starts[index + 1]]).digest()

    return list(in_threads(one, range(len(starts) - 1), "Checking the cache"))


def damaged(path: Path, starts: Sequence[int]) -> str | None:
    """What is wrong with a file, or None."""
    count, size = len(starts) - 1, path.stat().st_size
    wanted = starts[-1] + count * DIGEST
    if size != wanted:
        return f"it has {size:,} bytes for {wanted:,}"
    with path.open("rb") as file:
        file.seek(starts[-1])
        kept = file.read()
    found = digests(mapped(path, starts[-1]), starts)
    bad = sum(kept[i * DIGEST : (i + 1) * DIGEST] != digest for i, digest in enumerate(found))
    return f"{bad} of {count} images are not as they were written" if bad else None


def write(path: Path, starts: Sequence[int], fill: Callable[[Tensor], None]) -> None:
    """Write a file whole: room for it is taken first, since a disk that fills under a mapping ends the process."""
    remove_abandoned(path.parent)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            reserve(file.fileno(), starts[-1], path.parent)
        pixels = mapped(partial, starts[-1], shared=True)
        fill(pixels)
        with partial.open("r+b") as file:
            file.seek(starts[-1])
            file.write(b"".join(digests(pixels, starts)))
            file.flush()
            os.fsync(file.fileno())  # of the mapped pages, too: they are the file's
        os.replace(partial, path)
        flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def reserve(descriptor: int, size: int, folder: Path) -> None:
    """Take room on the disk. Raises ValueError where there is none."""
    try:
        if hasattr(os, "posix_fallocate") and size:
            os.posix_fallocate(descriptor, 0, size)
        else:  # macOS
            os.ftruncate(descriptor, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ValueError(
            f"data.cache=disk needs {size / 1e9:.1f} GB in {folder}, where there is no room for them; set "
            "data.cache=none, or XDG_CACHE_HOME to a folder with room"
        ) from None


def remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed had begun to write."""
    for path in folder.glob("*.partial"):
        process = path.suffixes[-2][1:] if len(path.suffixes) > 1 else ""
        try:
            old = time.time() - path.stat().st_mtime > ABANDONED
            if old and not (process.isdecimal() and alive(int(process))):
                path.unlink()
        except FileNotFoundError:
            pass  # another process was quicker


def alive(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
