import os
import struct
import zlib
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.files import reading
from data.files.masks import mask_orientation, read_mask
from data.files.reading import Header, Unreadable, read_header, read_image, value_range

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def plain(pixels: NDArray[np.uint8]) -> Header:
    return Header(pixels.shape[:2], "RGB", None)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_come_upright_as_pillow_turns_them_and_masks_with_them(orientation: int, tmp_path: Path) -> None:
    path, mask = tmp_path / "a.png", tmp_path / "mask.png"
    Image.fromarray(PIXELS).save(path, exif=tagged(orientation))
    Image.fromarray(PIXELS[..., 0]).save(mask)  # its labels are the image's red
    with Image.open(path) as picture:
        upright = np.array(ImageOps.exif_transpose(picture))
    image = read_image(path)
    assert np.array_equal(image.transpose(1, 2, 0), upright)
    header = read_header(path)
    assert header.upright == upright.shape[:2]
    assert np.array_equal(read_mask(mask, header), image[0])
    Image.fromarray(PIXELS[..., 0]).save(mask, exif=tagged(orientation))  # its own tag says the same
    assert np.array_equal(read_mask(mask, header), image[0])


def test_a_mask_drawn_on_the_upright_image_is_left_and_one_with_its_own_tag_goes_by_it() -> None:
    image = Header((3, 5), "RGB", 6)
    assert mask_orientation(Header((5, 3), "L", None), image) is None
    assert mask_orientation(Header((3, 5), "L", None), image) == 6
    assert mask_orientation(Header((3, 5), "L", 8), image) == 8
    assert mask_orientation(Header((4, 4), "L", None), Header((4, 4), "RGB", 6)) == 6  # a square tells nothing
    assert mask_orientation(Header((3, 5), "L", None), Header((3, 5), "RGB", 3)) == 3


def test_a_tag_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path, exif=tagged(6))
    stored = path.read_bytes()
    at = stored.index(b"eXIf") - 4
    length = 12 + int.from_bytes(stored[at : at + 4])
    end = stored.index(b"IEND") - 4
    path.write_bytes(stored[:at] + stored[at + length : end] + stored[at : at + length] + stored[end:])
    assert read_header(path).orientation == 6
    assert read_image(path).shape == (3, 5, 3)


def test_sixteen_bits_are_scaled_over_their_whole_range(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    for name in ("a.png", "a.tiff"):
        Image.fromarray(levels).save(tmp_path / name)
        assert read_image(tmp_path / name)[0].tolist() == [[round(v / 257) for v in levels[0].tolist()]]


def png_of(pixels: NDArray[np.uint16]) -> bytes:
    """(H, W, bands) as a PNG file of 16 bits a channel, each row as differences to the pixel on its left (filter 1)."""
    height, width, bands = pixels.shape
    rows = pixels.astype(">u2").tobytes()
    stored, length = bytearray(), 2 * bands * width
    for at in range(0, len(rows), length):
        row = rows[at : at + length]
        stored += b"\x01" + bytes((row[i] - (row[i - 2 * bands] if i >= 2 * bands else 0)) % 256 for i in range(length))
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(stored)), (b"IEND", b""))
    checked = (len(d).to_bytes(4) + k + d + zlib.crc32(k + d).to_bytes(4) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(checked)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_png_of_sixteen_bits_keeps_all_of_them(bands: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(bands).integers(0, 65536, (5, 7, bands), dtype=np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(png_of(pixels))
    seen = pixels[..., [0, 0, 0]] if bands == 2 else pixels[..., :3]
    assert np.array_equal(read_image(path, (0, 255)), seen.clip(0, 255).transpose(2, 0, 1))
    assert value_range(path) == (seen.min(), seen.max())


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1)])
def test_what_is_read_may_be_written_to(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    Image.new(mode, size).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").flags.writeable


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.save(tmp_path / "a.tiff" if mode in ("LA", "CMYK") else tmp_path / "a.png")
    (path,) = tmp_path.iterdir()
    expected = np.array(picture.convert("RGB"))
    assert np.array_equal(read_image(path).transpose(1, 2, 0), expected)


def test_labels_are_what_is_stored_or_what_a_colour_map_says(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [3, 200, 255]], np.uint8)
    for name, stored in (
        ("grey.png", labels),
        ("deep.png", labels.astype(np.uint16)),
        ("wide.tiff", labels.astype(np.int32)),
    ):
        Image.fromarray(stored).save(tmp_path / name)
        assert np.array_equal(read_mask(tmp_path / name, plain(labels)), labels)
    Image.fromarray(labels > 1).save(tmp_path / "bits.png")
    assert read_mask(tmp_path / "bits.png", plain(labels)).tolist() == [[0, 0, 1], [1, 1, 1]]
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette([5, 6, 7] * 256)  # what colours indices have says nothing about labels
    picture.save(tmp_path / "palette.png")
    assert np.array_equal(read_mask(tmp_path / "palette.png", plain(labels)), labels)

    red, blue = (255, 0, 0), (0, 0, 255)
    Image.fromarray(np.array([[red, blue], [blue, blue]], np.uint8)).save(tmp_path / "rgb.png")
    square = Header((2, 2), "RGB", None)
    assert read_mask(tmp_path / "rgb.png", square, {red: 4, blue: 0}).tolist() == [[4, 0], [0, 0]]
    with pytest.raises(Unreadable, match=r"rgb.png has 3 pixels of colours .* such as \(0, 0, 255\); name them"):
        read_mask(tmp_path / "rgb.png", square, {red: 4})
    with pytest.raises(Unreadable, match=r"rgb.png is in colour \(RGB\); say in data.colours which"):
        read_mask(tmp_path / "rgb.png", square)
    with pytest.raises(Unreadable, match=r"grey.png has no colours \(L\), but data.colours is set"):
        read_mask(tmp_path / "grey.png", plain(labels), {red: 4})


def test_what_else_holds_no_labels_or_no_image_is_refused(tmp_path: Path) -> None:
    deep = np.full((2, 2), 300, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (
        read_mask(tmp_path / "deep.png", Header((2, 2), "L", None)) == 300
    ).all()  # which of them are classes is said later
    Image.fromarray(deep.astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(Unreadable, match=r"float.tiff has 32 bits a channel, whose range is not known"):
        read_image(tmp_path / "float.tiff")
    pages = [Image.fromarray(PIXELS)] * 3
    pages[0].save(tmp_path / "stack.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(Unreadable, match=r"stack.tiff is a stack of 3 images; save each as a file of its own"):
        read_image(tmp_path / "stack.tiff")
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(Unreadable, match=r"program.png is no image"):  # Pillow would start Ghostscript
        read_image(tmp_path / "program.png")


def test_the_sentence_survives_its_way_out_of_a_worker() -> None:
    sentence = "a.png is empty (0 bytes); copy it again or remove it"
    trace = "Caught Unreadable in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  ...\n"
    wrapped = f"{trace}data.files.reading.Unreadable: {sentence}\n"
    assert str(Unreadable(wrapped)) == str(Unreadable(sentence)) == sentence


def test_the_header_of_a_file_that_changed_is_read_again_and_of_another_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bmp"
    opened = Mock(wraps=reading.image_of)
    monkeypatch.setattr(reading, "image_of", opened)
    monkeypatch.setattr(reading, "SETTLED", 0)  # as if each file had been left alone for seconds
    for size in ((6, 4), (4, 6)):  # as many bytes
        Image.new("L", size).save(path)
        os.utime(path, ns=(0, size[0]))
        assert [read_header(path).stored for _ in range(3)] == [size[::-1]] * 3
    assert opened.call_count == 2


def test_of_a_file_that_has_just_changed_nothing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    for size in ((6, 4), (4, 6)) * 20:  # quicker than a file system's clock may tick
        Image.new("L", size).save(path)
        assert read_header(path).stored == size[::-1]
