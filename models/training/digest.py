"""The digest of a checkpoint: SHA-256 over the whole file, carried by the file itself as the comment of its archive.

A file of torch.save is a zip archive, which ends in a record whose last two bytes are the length of a comment, none.
Those two become the comment's length, and the comment follows: torch, zipfile and unzip read the file as before, and
a copy, a move or a rename takes file and digest together.
"""

import hashlib
import os
from typing import BinaryIO

LABEL = b"sha256 "
COMMENT = len(LABEL) + 64
END = COMMENT.to_bytes(2, "little") + LABEL  # what takes the place of "no comment", before the digest itself
START = b"PK\x03\x04"
RECORD, UNSEALED = b"PK\x05\x06", b"\0\0"  # how the last 22 bytes of an archive without comment begin and end
CHUNK = 2**22  # bytes


class DamagedError(ValueError):
    """A file that is there, and can be opened, but is not what was once written."""


def digest_of(file: BinaryIO, length: int) -> bytes:
    """Return the SHA-256, in hexadecimal, of the first `length` bytes of an open file, as of an archive without
    comment: two zero bytes follow them."""
    file.seek(0)
    digest = hashlib.sha256()
    while length > 0 and (chunk := file.read(min(length, CHUNK))):
        digest.update(chunk)
        length -= len(chunk)
    digest.update(UNSEALED)
    return digest.hexdigest().encode()


def seal(file: BinaryIO) -> None:
    """Put the digest to the end of an open file that torch.save has just written whole."""
    length = file.seek(0, os.SEEK_END) - len(UNSEALED)
    digest = digest_of(file, length)
    file.seek(length)
    file.write(END + digest)


def is_sealed(file: BinaryIO) -> bool:
    """Return True where an open file has its digest, and that is right; False where it ends as torch.save ends it,
    without one, as those of earlier versions do.

    Raises DamagedError for all else that begins as such a file does: no single wrong bit, nor a lost end, makes the one
    look like the other. Raises ValueError for what does not.
    """
    file.seek(0)
    if not START.startswith(file.read(len(START))):
        raise ValueError("it does not begin as a file of torch.save does")
    size = file.seek(0, os.SEEK_END)
    if size < 22 + COMMENT:
        raise DamagedError(f"it has {size} bytes")
    file.seek(size - 22)
    last = file.read()
    if last.startswith(RECORD) and last.endswith(UNSEALED):
        return False
    length = size - len(END) - 64
    file.seek(length)
    if file.read(len(END)) != END:
        raise DamagedError("it does not end as a whole one does")
    if file.read() != digest_of(file, length):
        raise DamagedError("its digest is wrong")
    return True
