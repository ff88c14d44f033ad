"""Files and folders made to take for ever, or all of the memory: each is refused at once, whatever its name ends in."""

import os
import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.files.finding import Finder, walk
from data.files.masks import through
from data.files.reading import Unreadable, read_image, to_eight_bits


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(before: bytes = b"", behind: bytes = b"", side: int = 1, depth: int = 8) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(4)))
    return b"\x89PNG\r\n\x1a\n" + head + before + pixels + behind + chunk(b"IEND", b"")


def scans(count: int) -> bytes:
    """A progressive JPEG with its first scan many times over."""
    file = BytesIO()
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    first = data.index(b"\xff\xda")
    following = data.index(b"\xff", first + 14)
    return data[:following] + data[first:following] * count + data[following:]


def directories(count: int) -> bytes:
    """A TIFF of one pixel, many times."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1))
    for i in range(count):
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        after = len(out) + 2 + len(entries) + 4
        out += struct.pack("<H", len(tags)) + entries + struct.pack("<I", after if i < count - 1 else 0)
    return bytes(out)


def deep() -> bytes:
    """A TIFF that says it has 13,000 x 13,000 floating numbers of 64 bits, and holds none."""
    tags = ((256, 13_000), (257, 13_000), (258, 64), (259, 1), (262, 1), (273, 8), (277, 1), (278, 13_000), (279, 8),
            (339, 3))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


SMALL = chunk(b"tEXt", b"a\0b")
MADE: dict[str, tuple[Callable[[], bytes], str]] = {
    "chunks before the pixels": (lambda: png(before=SMALL * 100_001), "has more than 100,000 chunks"),
    "chunks behind the pixels": (lambda: png(behind=SMALL * 100_001), "has more than 100,000 chunks"),
    "pixels in empty chunks": (lambda: png(before=chunk(b"IDAT", b"") * 100_001), "has more than 100,000 chunks"),
    "1,500 scans": (lambda: scans(1500), "has 1,5[0-9]{2} scans"),
    "60,000 directories": (lambda: directories(60_000), "is a stack of 1000 or more images"),
    "numbers as text": (lambda: b"P3 2900 2900 255\n" + b"0 " * 2**23 + b"0", "of numbers as text"),
    "180 megapixels": (lambda: png(side=13_400), "would unpack to more than 178,956,970 pixels"),
    "more of 16 bits": (lambda: png(side=12_000, depth=16), "unpacks to 864,000,000 bytes"),
    "floating numbers of 64 bits": (deep, "unpacks to 1,352,000,000 bytes"),
    "text that unpacks": (
        lambda: png(before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))),
        "Decompressed data too large",
    ),
}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("what", MADE)
def test_what_takes_long_is_refused_at_once(what: str, suffix: str, tmp_path: Path) -> None:
    make, sentence = MADE[what]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make())
    began = time.process_time()
    with pytest.raises(Unreadable, match=sentence):
        read_image(path)
    assert time.process_time() - began < 5


def large(kind: str, side: int, **options: object) -> Callable[[], bytes]:
    """An image of one colour, which is made quickly; how long noise takes is in docs/reliability.md."""

    def make() -> bytes:
        file = BytesIO()
        Image.new("L", (side, side // 4)).save(file, kind, **options)
        return file.getvalue()

    return make


@pytest.mark.parametrize(("make", "factor", "sentence"), [
    (large("WEBP", 2000, method=0), 10**6, "has 1,000,000 pixels, which takes long to decode from WebP"),
    (large("JPEG", 2000, progressive=True), 6 * 10**6, "has 6 scans of 1,000,000 pixels, which takes long to decode"),
])  # fmt: skip
def test_what_is_too_large_for_its_format_is_refused_before_it_is_decoded(
    make: Callable[[], bytes], factor: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make())
    for name in ("MOST_OF_WEBP", "MOST_SCANNED"):
        monkeypatch.setattr(f"data.files.limits.{name}", factor)
    assert read_image(path).shape == (3, 500, 2000)
    for name in ("MOST_OF_WEBP", "MOST_SCANNED"):
        monkeypatch.setattr(f"data.files.limits.{name}", factor - 1)
    with pytest.raises(Unreadable, match=sentence):
        read_image(path)


def test_numbers_are_converted_a_part_at_a_time_as_all_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(2**16, size=(50, 7, 3), dtype=np.uint16)
    colours = {(i, 2 * i, 3 * i): i for i in range(20)}
    labels = np.random.default_rng(1).integers(20, size=(50, 7))
    rgb = np.stack([labels, 2 * labels, 3 * labels], axis=2).astype(np.uint8)
    for at_once in (1, 100, 10**6):
        monkeypatch.setattr("data.files.reading.AT_ONCE", at_once)
        monkeypatch.setattr("data.files.masks.AT_ONCE", at_once)
        expected = np.floor((deep / 65535 * 255) + 0.5)
        assert np.abs(to_eight_bits(tmp_path, deep, None) - expected).max() <= 1
        assert (to_eight_bits(tmp_path, deep, None) == expected).mean() > 0.999
        assert (through(colours, rgb, tmp_path) == labels).all()


def test_links_that_fan_out(tmp_path: Path) -> None:
    for i in range(30):
        (tmp_path / f"d{i}").mkdir()
        (tmp_path / f"d{i}/image.png").touch()
        for name in ("a", "b"):
            (tmp_path / f"d{i}" / name).symlink_to(tmp_path / f"d{i + 1}")
    with pytest.raises(ValueError, match="lead to the same folders more than 100 times"):
        list(walk(tmp_path / "d0"))


def test_a_folder_that_two_links_lead_to_counts_twice(tmp_path: Path) -> None:
    (tmp_path / "top/c").mkdir(parents=True)
    (tmp_path / "top/c/x.png").touch()
    (tmp_path / "top/b.png").touch()
    (tmp_path / "top/a").symlink_to("c")
    (tmp_path / "top/d").symlink_to("c")
    found = [str(path.relative_to(tmp_path / "top")) for path in walk(tmp_path / "top")]
    assert found == ["a/x.png", "b.png", "c/x.png", "d/x.png"]


def test_names_that_are_no_utf8_are_names(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            Image.new("L", (8, 8)).save(tmp_path / "a.png")
            (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path / folder) + b"/a\xff%d.png" % i))
    found = Finder("raise", "refuse").pairs(tmp_path / "images", tmp_path / "masks")
    assert [pair.name for pair in found] == ["a\\udcff0", "a\\udcff1"]
    assert read_image(found[0].image).shape == (3, 8, 8)
