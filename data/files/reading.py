"""One image file to pixels. What cannot be read is refused in one sentence that names the file and the mend."""

import errno
import logging
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from data.files.limits import MOST_BYTES, Outside, lasting, outside
from data.files.tiff import MOST_DIRECTORIES, images_in, is_tiff, read_bands, shape_of

# Named, since Pillow would also try formats that start other programs (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# What each EXIF orientation asks for; 1 is upright. From 5 on height and width change places.
TURNS: dict[int | None, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda x: x[::-1, ::-1],
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
LARGE = 25_000_000  # pixels, from which on files are decoded one at a time: each takes about 10 bytes a pixel meanwhile
SETTLED = 2_000_000_000  # nanoseconds: of a file that changed later its clock may not tell the next change
KEPT = 2**18  # headers, some 300 bytes each
AT_ONCE = 2**22  # numbers that are converted at a time
_one_large = threading.Lock()
Span = tuple[float, float]  # the stored values that become 0 and 255
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # from twice as many pixels on it is refused
logging.getLogger("PIL.TiffImagePlugin").setLevel(
    logging.CRITICAL
)  # what it has not enough modes for is read otherwise


class Unreadable(ValueError):  # noqa: N818  # says what a file is
    """A file that cannot be used: one sentence with the file and what would mend it."""

    def __init__(self, message: str) -> None:
        # From a worker process torch raises it again with the trace as its text, which ends with the sentence.
        super().__init__(message.strip().rpartition("\n")[2].partition("Unreadable: ")[2] or message)


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is decoded.

    stored       (height, width) in the file
    mode         Pillow's: L, RGB, P, ...; "bands" for what only `stored_pixels` can read
    orientation  EXIF's, 1 to 8; None where the file says nothing
    bands        of colour, an alpha channel not counted
    bits         of a sample
    """

    stored: tuple[int, int]
    mode: str
    orientation: int | None
    bands: int = 3
    bits: int = 8

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) as it is to be seen."""
        return turned(self.stored, self.orientation)


def turned(size: tuple[int, int], orientation: int | None) -> tuple[int, int]:
    """(height, width) after an EXIF orientation is applied."""
    return (size[1], size[0]) if orientation is not None and orientation >= 5 else size


@contextmanager
def opened(path: Path) -> Iterator[tuple[Image.Image, Header]]:
    """An image file and its header. Whatever fails inside is raised as Unreadable."""
    try:
        state = path.stat()
        if not state.st_size:
            raise Unreadable(f"{path} is empty (0 bytes); copy it again or remove it")
        seen = outside(path, state.st_size) if stat.S_ISREG(state.st_mode) else Outside()
        if seen.endless:
            raise Unreadable(f"{path} {seen.endless}")
        with image_of(path) as picture:
            if why := lasting(path, picture.format, picture.width * picture.height):
                raise Unreadable(f"{path} {why}")
            if picture.format == "TIFF" and (images := images_in(path)) > 1:
                count = f"{images} or more" if images >= MOST_DIRECTORIES else str(images)
                raise Unreadable(f"{path} is a stack of {count} images; save each as a file of its own")
            if picture.format in ("GIF", "WEBP", "PNG") and getattr(picture, "is_animated", False):
                raise Unreadable(f"{path} is a moving picture; save each of its frames as a file of its own")
            if picture.format == "PNG" and "exif" not in picture.info:
                if seen.cut:
                    raise Unreadable(f"{path} is cut short; copy it again or remove it")
                picture.info["exif"] = seen.exif  # Pillow would decode all pixels to look behind them
            tag = Image.Image.getexif(picture).get(ExifTags.Base.Orientation)
            orientation = tag if tag in range(1, 9) else None
            mode, bands, bits = kind_of(path, picture)
            yield picture, Header(picture.size[::-1], mode, orientation, bands, bits)
    except Unreadable:
        raise
    except PermissionError:
        raise Unreadable(f"{path} may not be read by you; give it permission (chmod u+r) or remove it") from None
    except FileNotFoundError:
        raise Unreadable(f"{path} is gone, or a link to nothing; restore it or remove the link") from None
    except UnidentifiedImageError:
        raise Unreadable(f"{path} is no image, whatever its name says; save it as PNG or remove it") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise Unreadable(f"{path} would unpack to more than {most:,} pixels; cut it into tiles or remove it") from None
    except Exception as error:  # on damaged bytes the decoders raise whatever they stumble over
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise Unreadable(f"{path} is a link in a loop; remove it") from None
        why = " ".join(str(error).split()) or type(error).__name__
        if "imagecodecs" in why:
            raise Unreadable(
                f"{path} is compressed in a way that the package imagecodecs reads ({why}); pip install imagecodecs, "
                "or save it uncompressed"
            ) from None
        raise Unreadable(f"{path} is damaged ({why}); copy it again or remove it") from None


def image_of(path: Path) -> Image.Image:
    """The file as Pillow opens it; of a TIFF of a kind that it does not know, a stand-in of the same size."""
    if path.suffix == ".mat":
        return sbd_labels(path)
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        if not is_tiff(path):
            raise
    (height, width), _, _ = shape_of(path)
    Image._decompression_bomb_check((width, height))
    stand_in = Image.new("1", (1, 1))
    stand_in._size = (width, height)  # nothing of it is decoded
    stand_in.format = "TIFF"
    stand_in.info["stand-in"] = True
    return stand_in


def kind_of(path: Path, picture: Image.Image) -> tuple[str, int, int]:
    """Of a header: mode, bands, bits."""
    mode = picture.mode
    bands = len(picture.getbands()) - ("A" in mode or "a" in mode)
    bits = 16 if mode in SIXTEEN_BITS else 32 if mode in ("I", "F") else 8
    if picture.format == "PNG" and mode not in SIXTEEN_BITS and ";16" in str(getattr(picture, "tile", "")):
        return "bands", bands, 16  # Pillow would keep the upper 8
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        samples = tags.get(277, 1)
        signed = 2 in tags.get(339, (1,)) and mode == "L"
        deep = bands > 1 and max(tags.get(258, (8,))) > 8
        if "stand-in" in picture.info or signed or deep or samples > len(picture.getbands()):
            _, stored, kind = shape_of(path)
            extra = tags.get(338, ()) if tags else ()
            alpha = stored in (2, 4) and any(each in (1, 2) for each in extra)
            return "bands", stored - alpha, 8 * kind.itemsize
    return mode, bands, bits


def stored_pixels(path: Path, picture: Image.Image, header: Header) -> NDArray[Any]:
    """(H, W) or (H, W, bands) with the numbers that the file stores, not turned; palettes as colours.

    Not for what Pillow has to convert: CMYK and the like come as RGB. Alpha channels are dropped.
    """
    if header.mode != "bands":
        if header.mode in ("I", "F", *SIXTEEN_BITS, "L", "RGB"):
            return np.asarray(picture)
        return np.asarray(picture.convert("RGB"))
    if picture.format == "PNG":
        return sixteen_bit_colours(path)[..., : header.bands]
    pixels = read_bands(path)
    return pixels if pixels.ndim == 2 else pixels[..., : header.bands]


def sixteen_bit_colours(path: Path) -> NDArray[np.uint16]:
    """(H, W, bands) of a PNG file of several bands of 16 bits, of grey and alpha the grey.

    Pillow keeps the upper byte of each number; told that the bytes lie in the other order, it keeps the lower one.
    """

    def bytes_as(layout: str) -> NDArray[np.uint16]:
        with Image.open(path, formats=FORMATS) as picture:
            picture.tile = [tile._replace(args=layout) for tile in picture.tile]
            return np.asarray(picture).astype(np.uint16)

    with Image.open(path, formats=FORMATS) as picture:
        layout = str(picture.tile[0].args)
    if layout == "LA;16B":  # which has no other order, but is as long as four bands of 8 bits
        both = bytes_as("RGBA")
        return both[..., :1] << np.uint16(8) | both[..., 1:2]
    return bytes_as(layout) << np.uint16(8) | bytes_as(layout.replace("16B", "16L"))


def sbd_labels(path: Path) -> Image.Image:
    """The labels in a MATLAB file of SBD, as a grey image."""
    from scipy.io import loadmat  # here: only this one data set needs it

    return Image.fromarray(loadmat(path)["GTcls"]["Segmentation"][0, 0])


def read_header(path: Path) -> Header:
    """Size, mode and orientation, without decoding. A file that has not changed since it was read is not read again."""
    try:
        state = path.stat()
    except OSError:  # which is told where it is read
        state = None
    if state is None or time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) < SETTLED:
        return _header(path)
    return _header_once(path, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _header(path: Path) -> Header:
    with opened(path) as (_, header):
        return header


@lru_cache(KEPT)
def _header_once(path: Path, *state: int) -> Header:
    return _header(path)


def turn(pixels: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """(H, W) or (H, W, C), turned as an EXIF orientation says."""
    return TURNS[orientation](pixels) if orientation in TURNS else pixels


@contextmanager
def bounded(path: Path, header: Header) -> Iterator[None]:
    """Refuse a file that takes too much to decode, and let large ones wait for each other."""
    pixels = header.stored[0] * header.stored[1]
    if (wanted := pixels * header.bands * header.bits // 8) > MOST_BYTES:
        raise Unreadable(
            f"{path} unpacks to {wanted:,} bytes, more than {MOST_BYTES:,}; cut it into tiles or remove it"
        )
    large = pixels > LARGE
    with _one_large if large else nullcontext():
        yield


def read_image(path: Path, span: Span | None = None) -> NDArray[np.uint8]:
    """(3, H, W) uint8 RGB, turned upright: the first three bands, one band three times; alpha is dropped.

    span  of values in files of more than 8 bits that become 0 and 255, the others clipped; None: of 16 bits all, and
          files of 32 bits are refused
    """
    with opened(path) as (picture, header), bounded(path, header):
        pixels = turn(as_colours(path, stored_pixels(path, picture, header), span), header.orientation)
        return np.require(pixels.transpose(2, 0, 1), requirements=["C", "W"])  # copied where it is Pillow's own memory


def as_colours(path: Path, pixels: NDArray[Any], span: Span | None) -> NDArray[np.uint8]:
    """(H, W, 3) of (H, W) or (H, W, bands) as stored: see `read_image`."""
    if pixels.dtype != np.uint8:
        pixels = to_eight_bits(path, pixels, span)
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        grey = pixels if pixels.ndim == 2 else pixels[..., 0]
        pixels = np.broadcast_to(grey[..., None], (*grey.shape, 3))
    return pixels[..., :3]


def to_eight_bits(path: Path, pixels: NDArray[Any], span: Span | None) -> NDArray[np.uint8]:
    """The pixels with what `span` holds spread over 0 to 255, rounded."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if span is None:
        if pixels.dtype != np.uint16:
            raise Unreadable(
                f"{path} has {8 * pixels.dtype.itemsize} bits a channel, whose range is not known; say in data.range "
                "which two of its values are black and white"
            )
        span = (0, 65535)
    low, high = span
    result = np.empty(pixels.shape, np.uint8)
    rows = max(1, AT_ONCE // max(1, pixels[:1].size))
    for start in range(0, len(pixels), rows):
        part = pixels[start : start + rows]
        if not np.isfinite(part).all():
            raise Unreadable(f"{path} holds values that are no numbers; fill them in or remove it")
        scaled = (part.astype(np.float32) - low) * (255 / (high - low)) + 0.5
        result[start : start + rows] = scaled.clip(0, 255.5)
    return result


def value_range(path: Path) -> Span:
    """The smallest and the largest number that an image file stores."""
    with opened(path) as (picture, header), bounded(path, header):
        pixels = stored_pixels(path, picture, header)
        return float(pixels.min()), float(pixels.max())
