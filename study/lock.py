"""One process at a time in a folder, on all machines that share it.

The system lets go of what a process held when it ends, however that came: a run that was killed can be started again at
once. POSIX record locks, by hand: the package filelock takes BSD's, which a loader's workers inherit and hold for as
long as they outlive a killed run.
"""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from plumbing.messages import say
from study.run_folder import process


class HeldError(ValueError):
    """What is locked is held by another process, which the message names."""


def acquire(path: Path, waiting: str | None = None) -> TextIO:
    """The locked file at `path`, which holds the name of this process; closing it lets go. Where another process holds
    it, raise HeldError with its name, or wait, after a line that says so.

    waiting  for what, in words; None: not at all
    """
    said = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            file.seek(0)
            who = file.read().strip() or "another process"
            file.close()
            if waiting is None:
                raise HeldError(who) from None
            if not said:
                say(f"Waiting: {waiting} is at work, in {who}")
            said = True
            time.sleep(1)
            continue
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # removed with its folder meanwhile
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    return file


@contextmanager
def alone(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold a run's folder. Where another process does, wait until it lets go, or raise HeldError, in a sentence."""
    if process():  # the first process of the run holds it for the others
        yield
        return
    try:
        file = acquire(folder / ".lock", str(folder) if wait else None)
    except HeldError as error:
        raise HeldError(
            f"{folder} is at work already, in {error}; wait for it, or start a run of its own with resume=never"
        ) from None
    with file:
        yield
