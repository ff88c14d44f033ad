"""One image or mask file to pixels. What cannot be read is refused in one sentence that names the file and the mend."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

# Named, since Pillow would also try formats that start other programs (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM")
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# What each EXIF orientation asks for; 1 is upright. From 5 on height and width change places.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
Colours = dict[tuple[int, int, int], int]  # of an RGB mask: colour to label
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # from twice as many pixels on it is refused


class Unreadable(ValueError):  # noqa: N818  # says what a file is
    """A file that cannot be used: one sentence with the file and what would mend it."""

    def __init__(self, message: str) -> None:
        # From a worker process torch raises it again with the trace as its text, which ends with the sentence.
        super().__init__(message.strip().rpartition("\n")[2].partition("Unreadable: ")[2] or message)


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is decoded.

    stored       (height, width) in the file
    mode         Pillow's: L, RGB, P, ...
    orientation  EXIF's, 1 to 8; None where the file says nothing
    """

    stored: tuple[int, int]
    mode: str
    orientation: int | None

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) as it is to be seen."""
        return turned(self.stored, self.orientation)


def turned(size: tuple[int, int], orientation: int | None) -> tuple[int, int]:
    """(height, width) after an EXIF orientation is applied."""
    return (size[1], size[0]) if orientation is not None and orientation >= 5 else size


def exif_behind_pixels(path: Path) -> bytes:
    """The eXIf chunk of a PNG file, b"" where it has none. Raises Unreadable where the file is cut short."""
    found, size = b"", path.stat().st_size
    with path.open("rb") as file:
        at = 8
        while True:  # a chunk: length, name, data, checksum (PNG specification, section 5.3)
            file.seek(at)
            head = file.read(8)
            at += 12 + int.from_bytes(head[:4])
            if at > size:
                raise Unreadable(f"{path} is cut short; copy it again or remove it")
            if head[4:] == b"eXIf":
                found = file.read(int.from_bytes(head[:4]))
            if head[4:] == b"IEND":
                return found


@contextmanager
def opened(path: Path) -> Iterator[tuple[Image.Image, Header]]:
    """An image file and its header. Whatever fails inside is raised as Unreadable."""
    try:
        if not path.stat().st_size:
            raise Unreadable(f"{path} is empty (0 bytes); copy it again or remove it")
        with sbd_labels(path) if path.suffix == ".mat" else Image.open(path, formats=FORMATS) as picture:
            if picture.format == "TIFF" and (frames := getattr(picture, "n_frames", 1)) > 1:
                raise Unreadable(f"{path} is a stack of {frames} images; save each as a file of its own")
            if picture.format == "PNG" and "exif" not in picture.info:
                # Pillow would decode all pixels to look behind them.
                picture.info["exif"] = exif_behind_pixels(path)
            tag = Image.Image.getexif(picture).get(ExifTags.Base.Orientation)
            yield picture, Header(picture.size[::-1], picture.mode, tag if tag in range(1, 9) else None)
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
        raise Unreadable(f"{path} is damaged ({error}); copy it again or remove it") from None


def sbd_labels(path: Path) -> Image.Image:
    """The labels in a MATLAB file of SBD, as a grey image."""
    from scipy.io import loadmat  # here: only this one data set needs it

    return Image.fromarray(loadmat(path)["GTcls"]["Segmentation"][0, 0])


def read_header(path: Path) -> Header:
    """Size, mode and orientation, without decoding."""
    with opened(path) as (_, header):
        return header


def turn(picture: Image.Image, orientation: int | None) -> Image.Image:
    """The picture, turned as an EXIF orientation says."""
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def read_image(path: Path) -> NDArray[np.uint8]:
    """(3, H, W) uint8 RGB, turned upright. 16 bits are scaled to 8, an alpha channel is dropped."""
    with opened(path) as (picture, header):
        if header.mode in SIXTEEN_BITS:
            grey = (np.asarray(picture).astype(np.uint32) + 128) // 257  # 65535 to 255, rounded
            picture = Image.fromarray(grey.astype(np.uint8))
        elif header.mode in ("I", "F"):
            raise Unreadable(f"{path} has 32 bits a channel, whose range is not known; save it with 8 or 16 bits")
        pixels = np.array(turn(picture.convert("RGB"), header.orientation))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def mask_orientation(mask: Header, image: Header) -> int | None:
    """How a mask is to be turned: by its own tag; without one with its image, unless only the upright image fits it."""
    if mask.orientation is not None:
        return mask.orientation
    return None if mask.stored == image.upright != image.stored else image.orientation


def check_mask(path: Path, mask: Header, image: Header, colours: Colours | None) -> None:
    """Refuse, from headers alone, a mask that holds no labels or is not of its image's size."""
    if "A" in mask.mode or "a" in mask.mode:
        raise Unreadable(f"the mask {path} has an alpha channel ({mask.mode}); save it as grey or palette PNG")
    if mask.mode == "F":
        raise Unreadable(f"the mask {path} holds floating point numbers; save it with whole-number labels as grey PNG")
    labels = mask.mode in ("1", "L", "P", "I", *SIXTEEN_BITS)
    if colours is None and not labels:
        raise Unreadable(f"the mask {path} is in colour ({mask.mode}); say in data.colours which colour is which class")
    if colours is not None and mask.mode not in ("RGB", "P"):
        raise Unreadable(f"the mask {path} has no colours ({mask.mode}), but data.colours is set; save it as RGB")
    size = turned(mask.stored, mask_orientation(mask, image))
    if size != image.upright:
        raise Unreadable(
            f"the mask {path} has {size[0]} x {size[1]} pixels, its image {image.upright[0]} x {image.upright[1]}; "
            "save both in one size"
        )


def read_mask(path: Path, image: Header, colours: Colours | None = None) -> NDArray[np.uint8]:
    """(H, W) uint8 labels: palette indices or grey values as they are stored, or RGB through `colours`.

    image  the header of the mask's image, with which it is turned
    """
    with opened(path) as (picture, header):
        check_mask(path, header, image, colours)
        if colours is not None:
            picture = picture.convert("RGB")
        values = np.asarray(turn(picture, mask_orientation(header, image)))
    if colours is not None:
        values = through(colours, values.astype(np.int64), path)
    elif values.max() > 255:
        refuse_labels(path, values, values > 255, "labels reach 255 at most")
    return values.astype(np.uint8)


def through(colours: Colours, rgb: NDArray[np.int64], path: Path) -> NDArray[np.uint8]:
    """Labels (H, W) of an RGB mask (H, W, 3)."""
    codes = rgb @ (65536, 256, 1)
    known = np.array(sorted((r * 65536 + g * 256 + b, label) for (r, g, b), label in colours.items()))
    at = np.searchsorted(known[:, 0], codes).clip(max=len(known) - 1)
    strange = known[at, 0] != codes
    if strange.any():
        colour = tuple(rgb[strange][0].tolist())
        raise Unreadable(
            f"the mask {path} has {strange.sum()} pixels of colours that data.colours does not name, such as {colour}; "
            "name them (as `ignore` where they are no class), and save masks without loss"
        )
    return known[at, 1].astype(np.uint8)


def refuse_labels(path: Path, labels: NDArray[Any], wrong: NDArray[np.bool_], why: str) -> None:
    """Refuse a mask for the labels (H, W) where they are `wrong`, naming the most frequent one."""
    found, counts = np.unique(labels[wrong], return_counts=True)
    raise Unreadable(f"the mask {path} holds the label {found[counts.argmax()]} in {counts.max()} pixels, but {why}")
