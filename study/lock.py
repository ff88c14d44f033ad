"""One process at a time in a folder, on all machines that share it.

The system lets go of what a process held when it ends, however that came: a run that was killed can be started again at
once. POSIX record locks, by hand: the package filelock takes BSD's, which a loader's workers inherit and hold for as
long as they outlive a killed run.
"""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from study.run_folder import process


class HeldError(ValueError):
    """What is locked is held by another process, which the message names."""


def acquire(path: Path) -> TextIO:
    """The locked file at `path`, which holds the name of this process; closing it lets go. Raises HeldError."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
            file.close()  # removed with its folder meanwhile
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            file.seek(0)
            who = file.read().strip() or "another process"
            file.close()
            raise HeldError(who) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    return file


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder. Raises HeldError, in a sentence, where another process does."""
    if process():  # the first process of the run holds it for the others
        yield
        return
    try:
        file = acquire(folder / ".lock")
    except HeldError as error:
        raise HeldError(
            f"{folder} is at work already, in {error}; wait for it, or start a run of its own with resume=never"
        ) from None
    with file:
        yield
