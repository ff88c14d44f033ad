"""Files of zoos and hubs, which are anyone's: plain ones are read, of a known size at most, and nothing else is."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def contents(path: Path, limit: int) -> bytes:
    """The bytes of a plain file. Raises ValueError for a link, a device, a pipe or a folder, and for more than `limit`
    bytes, of which none is read then; FileNotFoundError for none, OSError for what the system does not give."""
    if path.is_symlink():
        raise ValueError(f"{path} is a symbolic link; a zoo or hub holds plain files only")
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe without writer would be waited for
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f"{path} is no plain file, such as a zoo or hub holds")
        if state.st_size > limit:
            raise ValueError(f"{path} is larger than the {limit:,} bytes that it may have")
        return file.read(limit)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder, and hold it until the end of the block: other processes that want it wait.

    The lock is on the folder itself (BSD's), so it leaves no file, and ends with the process however that ends.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                yield
                return
        finally:
            os.close(descriptor)  # another process may have moved it to its place meanwhile: then once more
