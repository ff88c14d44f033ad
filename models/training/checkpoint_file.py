"""The file of a checkpoint, read as data: plain values and tensors, never code, and nothing of a damaged one."""

import errno
import stat
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch

from models.training.digest import DamagedError, is_sealed
from plumbing.messages import printable


def is_there(path: Path) -> bool:
    """Return whether there is anything of this name.

    Raises ValueError for what is there but is no file that can be opened, be it for its rights or as a link that leads
    nowhere: what it holds is not known, so it is neither passed over nor written over.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"{path} is there, but it is no file, so it is no checkpoint; move it away")
        path.open("rb").close()
    except FileNotFoundError:
        if path.is_symlink():
            raise ValueError(f"the checkpoint {path} is a link to {path.readlink()}, which is not there") from None
        return False
    except OSError as error:
        raise ValueError(f"the checkpoint {path} is there, but cannot be opened ({error.strerror})") from None
    return True


def verify(path: Path) -> bool:
    """Read a checkpoint through, and return whether it has a digest, which then is right.

    One without, as it was written before there were digests, is loaded, and each of its parts has its checksum.
    Raises DamagedError, in one sentence, for any other; ValueError where it cannot be read.
    """
    with _opened(path) as file:
        sealed = is_sealed(file)
        if not sealed:
            _unpickled(file, checksums=True)
        return sealed


def load(path: Path) -> dict[str, Any]:
    """Return all that a checkpoint holds, on the CPU, verified as `verify` does; nothing in it is executed.

    Raises DamagedError, in one sentence, for a damaged one and for any that holds more than plain values and tensors;
    ValueError where it cannot be read.
    """
    with _opened(path) as file:
        stored = _unpickled(file, checksums=not is_sealed(file))
    if not isinstance(stored, dict):
        raise DamagedError(f"{path} is no checkpoint: it holds a {type(stored).__name__}")
    return stored


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a checkpoint. Whatever reading it raises is damage, but for a disk that fails and for memory that ends."""
    if not is_there(path):
        raise ValueError(f"there is no checkpoint {path}")
    try:
        with path.open("rb") as file:
            yield file
    except Exception as error:
        cause = printable(str(error).partition("\n")[0]) or type(error).__name__
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: a place before the start
            raise ValueError(f"the checkpoint {path} cannot be read ({error.strerror})") from None
        if isinstance(error, MemoryError) or "allocate memory" in cause:
            raise ValueError(f"there is too little memory to load the checkpoint {path}") from None
        if isinstance(error, DamagedError):
            raise DamagedError(f"the checkpoint {path} is damaged ({cause})") from None
        raise DamagedError(
            f"{path} is no checkpoint of plain values and tensors, so it is not loaded ({cause})"
        ) from None


def _unpickled(file: BinaryIO, checksums: bool) -> Any:
    """What torch makes of an open file, whose parts lie beside each other and are not compressed: torch writes none
    otherwise, and such could unpack to any size. checksums: those of the parts must be right, too."""
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise DamagedError("it is compressed, which torch.save never does")
        if sum(member.file_size for member in members) > size:
            raise DamagedError("its parts lie over each other")
        if checksums and (wrong := archive.testzip()):
            raise DamagedError(f"the checksum of {wrong} is wrong")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is refused right after
        return torch.load(file, map_location="cpu", weights_only=True)
