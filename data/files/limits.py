"""What would take a decoder long, told from a file's bytes before anything is decoded: whatever is read here takes at
most a few seconds of a core, and of memory what `MOST_BYTES` says."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_SCANS = 100  # of a progressive JPEG, which decodes all pixels for each; ten are usual
# Pixels of WebP, and pixels of a progressive JPEG times its scans: of noise, which takes longest, read within 5 s.
MOST_OF_WEBP, MOST_SCANNED = 84_000_000, 900_000_000
MOST_CHUNKS = 100_000  # of a PNG, each of which Pillow looks at by itself; libpng writes one for each 8 kB
MOST_TEXT = 2**24  # bytes of a PPM that writes its numbers as text, of which Pillow reads about 8 MB a second
MOST_BYTES = 2**29  # of the numbers that a file stores: 178 million pixels of 8-bit RGB. Reading takes up to 4 times it
BLOCK = 2**22  # bytes read at once


def chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of the data of each chunk of a PNG file (PNG specification, section 5.3), up to its end.

    Raises ValueError where the file, of `size` bytes, ends before.
    """
    at, name = 8, b""
    while name != b"IEND":
        file.seek(at)
        head = file.read(8)  # length, name; a checksum follows the data
        if len(head) < 8:
            raise ValueError("cut short")
        length, name = struct.unpack(">I4s", head)
        if at + 12 + length > size:
            raise ValueError("cut short")
        yield name, at + 8, length
        at += 12 + length


@dataclass(frozen=True)
class Outside:
    """What a file's bytes tell before a decoder sees them: what its name ends in is anyone's choice.

    endless  what takes too long to read, in words that follow its name; None for nothing
    exif     the eXIf chunk of a PNG, which may lie behind the pixels; b"" where it has none
    cut      whether it is a PNG that ends before its last chunk
    """

    endless: str | None = None
    exif: bytes = b""
    cut: bool = False


def outside(path: Path, size: int) -> Outside:
    """Look at a file of `size` bytes, of which little is read."""
    with path.open("rb") as file:
        start = file.read(8)
        if start == b"\x89PNG\r\n\x1a\n":
            return outside_of_png(file, size)
        if start[:2] == b"\xff\xd8" and (scans := start_of_scans(file)) > MOST_SCANS:
            return Outside(f"has {scans:,} scans, which takes long to decode; save it again as JPEG or PNG")
        if start[:2] in (b"P1", b"P2", b"P3") and size > MOST_TEXT:
            return Outside(f"writes more than {MOST_TEXT:,} bytes of numbers as text, which takes long; save it as PNG")
    return Outside()


def outside_of_png(file: BinaryIO, size: int) -> Outside:
    """The same of a PNG, chunk by chunk."""
    exif = b""
    try:
        for count, (name, at, length) in enumerate(chunks(file, size)):
            if count > MOST_CHUNKS:
                return Outside(f"has more than {MOST_CHUNKS:,} chunks, which takes long to read; save it again as PNG")
            if name == b"eXIf":
                file.seek(at)
                exif = file.read(length)
    except ValueError:
        return Outside(cut=True)
    return Outside(exif=exif)


def lasting(path: Path, kind: str | None, pixels: int) -> str | None:
    """What of an image's size takes too long to decode, in words that follow its name; None for nothing.

    kind  as Pillow tells a file's format
    """
    if kind == "WEBP" and pixels > MOST_OF_WEBP:
        return f"has {pixels:,} pixels, which takes long to decode from WebP; cut it into tiles or save it as PNG"
    if kind == "JPEG" and pixels * MOST_SCANS > MOST_SCANNED:
        with path.open("rb") as file:
            scans = start_of_scans(file)
        if scans * pixels > MOST_SCANNED:
            return f"has {scans} scans of {pixels:,} pixels, which takes long to decode; save it again as PNG"
    return None


def start_of_scans(file: BinaryIO) -> int:
    """How many markers of a scan's start a JPEG file has; one in 65,536 pairs of bytes of a comment may look like
    one."""
    file.seek(0)
    count, last = 0, b""
    while block := file.read(BLOCK):
        count += (last + block).count(b"\xff\xda")
        last = block[-1:]
    return count
