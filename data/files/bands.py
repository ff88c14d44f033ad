"""Bands of image files, any number of them, as they are stored: which are taken, and where they hold no data."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.files.band_sums import Sums
from data.files.finding import Finder, Pair
from data.files.reading import Header, Unreadable, bounded, opened, stored_pixels, turn
from data.files.tiff import is_tiff, read_bands, stored_in, valid_pixels

Asked = Literal["auto", "rgb", "all"] | list[int]  # data.bands
NoData = Literal["auto", "none"] | float  # data.nodata
CONVERTED = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")  # Pillow's modes whose numbers are no colours: read as RGB


@dataclass(frozen=True)
class Wish:
    """What a configuration says of bands: data.bands, data.nodata and data.show."""

    bands: Asked = "auto"
    nodata: NoData = "auto"
    show: list[int] | None = None


@dataclass(frozen=True)
class Bands:
    """Which bands are taken of each file, and how.

    order     their numbers in the file, from 1
    floating  whether pixels come as float32 with the numbers that are stored; else as uint8, and 8 bits are stored
    nodata    the number that stands for no data; "auto": the one that a file names, and its own mask; "none": nothing.
              What is no number (NaN, infinity) is no data too, unless this is "none": then it is refused
    fill      of each band, in stored numbers: what comes where there is no data
    show      the three that pictures show as red, green and blue, or one that they show as grey
    """

    order: tuple[int, ...]
    floating: bool
    nodata: NoData
    fill: tuple[float, ...]
    show: tuple[int, ...]

    @property
    def shown(self) -> list[int]:
        """The places in `order` of the bands that pictures show."""
        return [self.order.index(number) for number in self.show]

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "Bands":
        """Of the section `bands` of a saved network's configuration."""
        order, fill, show = (tuple(section[key]) for key in ("order", "fill", "show"))
        return cls(order, section["floating"], section["nodata"], fill, show)


@dataclass(frozen=True)
class Seen:
    """What a file says of its bands before it is decoded: how many, alpha channels not counted, and how they are."""

    bands: int
    floating: bool
    may_lack: bool


def look(path: Path, header: Header, nodata: NoData) -> Seen:
    """What a file says of its bands. Raises Unreadable."""
    if header.mode in CONVERTED:
        return Seen(3, False, False)
    if not is_tiff(path):
        return Seen(header.bands, header.bits > 8, not isinstance(nodata, str))
    with opened(path):
        stored = stored_in(path)
    if stored.kind.kind not in "uifb":
        raise Unreadable(f"{path} stores numbers of the type {stored.kind}; save its real parts as float32")
    named = nodata == "auto" and (stored.no_data is not None or stored.masked)
    floats = stored.kind.kind == "f" and nodata != "none"
    return Seen(header.bands, stored.kind not in (np.uint8, np.bool_), named or floats or not isinstance(nodata, str))


def read(path: Path, bands: Bands) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """(C, H, W) uint8 or float32, turned upright, and (H, W) where no band has data; None where there is no such pixel.

    Where a band has no data it holds its `fill`. Raises Unreadable for a file that does not have the bands.
    """
    with opened(path) as (picture, header), bounded(path, header):
        pixels, lacking = taken(path, picture, header, bands)
        missing = None
        if lacking is not None:
            pixels = np.where(lacking, np.array(bands.fill, pixels.dtype), pixels)
            missing = np.ascontiguousarray(turn(np.all(lacking, axis=2), header.orientation))
        pixels = turn(pixels, header.orientation)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), missing


def taken(path: Path, picture: Any, header: Header, bands: Bands) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """(H, W, C) of the bands that are taken, and where each has no data, likewise; None where all have."""
    pixels = every_band(path, picture, header)
    if pixels.shape[2] < max(bands.order):
        raise Unreadable(
            f"{path} has {pixels.shape[2]} bands, but band {max(bands.order)} is asked for; give it as many, or "
            "train on others by data.bands"
        )
    pixels = pixels[..., [number - 1 for number in bands.order]]
    return as_numbers(path, pixels, bands.floating), without_data(path, pixels, bands.nodata)


def every_band(path: Path, picture: Any, header: Header) -> NDArray[Any]:
    """(H, W, bands) with the numbers that a file stores, alpha channels too, not turned."""
    if header.mode == "bands" and is_tiff(path):
        pixels = read_bands(path)
    elif header.mode in ("LA", "RGBA"):
        pixels = np.asarray(picture)
    else:
        pixels = stored_pixels(path, picture, header)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def without_data(path: Path, pixels: NDArray[Any], nodata: NoData) -> NDArray[np.bool_] | None:
    """(H, W, C) where a band has no data; None where all have."""
    number, valid = None if isinstance(nodata, str) else nodata, None
    if nodata == "auto" and is_tiff(path):
        stored = stored_in(path)
        number, valid = stored.no_data, valid_pixels(path) if stored.masked else None
    return lacking_in(path, pixels, nodata, number, valid)


def lacking_in(
    path: Path, pixels: NDArray[Any], nodata: NoData, number: float | None, valid: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """(H, W, C) where a band has no data, of pixels for which `number` and an own mask (H, W) stand for it; None where
    all have."""
    lacking = np.zeros(pixels.shape, bool)
    if valid is not None:
        lacking |= ~valid[..., None]
    if number is not None and np.isfinite(number):
        if pixels.dtype.kind == "f":
            lacking |= pixels == pixels.dtype.type(number)
        elif float(number).is_integer() and np.iinfo(pixels.dtype).min <= number <= np.iinfo(pixels.dtype).max:
            lacking |= pixels == int(number)
    if pixels.dtype.kind == "f":
        infinite = ~np.isfinite(pixels)
        if nodata == "none" and infinite.any():
            raise Unreadable(
                f"{path} holds values that are no numbers; fill them in, or leave out data.nodata=none, by which they "
                "count as data"
            )
        lacking |= infinite
    return lacking if lacking.any() else None


def as_numbers(path: Path, pixels: NDArray[Any], floating: bool) -> NDArray[Any]:
    """Pixels as float32, or of 8 bits as they are."""
    if floating:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32: what is infinite is refused above
            return pixels.astype(np.float32)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype != np.uint8:
        raise Unreadable(f"{path} stores {pixels.dtype}, but the other images, or those of training, 8 bits a band")
    return pixels


@dataclass(frozen=True)
class Chosen:
    """The bands that are taken of images; their mean and standard deviation, of float32 in stored numbers, of 8 bits in
    [0, 1], None where they are counted elsewhere; the images that have these bands; and notes."""

    bands: Bands
    moments: tuple[tuple[float, ...], tuple[float, ...]] | None
    having: Collection[Pair]
    notes: list[str]


def chosen(
    headers: Mapping[Pair, Header],
    wish: Wish,
    find: Finder,
    trained_on: Collection[Pair],
    mean: Sequence[float] | None = None,
) -> Chosen | None:
    """What a wish asks for of images; None where they are read as pictures of three colours, as most are.

    trained_on  the images that mean and deviation are counted in; mean: what is said of it
    Raises ValueError for what cannot be.
    """
    if wish.bands == "rgb" or (wish.bands == "auto" and {colours(header) for header in headers.values()} <= {1, 3}):
        if wish.show is not None or wish.nodata not in ("auto", "none"):
            key = "show" if wish.show is not None else "nodata"
            raise ValueError(f"data.{key} is of bands, and these images are read as colours; add data.bands=all")
        return None
    seen = find.usable(lambda pair: look(pair.image, headers[pair], wish.nodata), list(headers), "Looking at the bands")
    seen = alike(seen, wish, find)
    order = numbers(seen, wish)
    show = shown(order, wish.show)
    floating = any(each.floating for each in seen.values())
    plain = Bands(order, floating, wish.nodata, (0.0,) * len(order), show)
    how = "the numbers that are stored, in float32" if floating else "8 bits"
    notes = [f"Bands {listed(order)} of each image as {how}; pictures show {listed(show)}"]
    if not floating and not any(each.may_lack for each in seen.values()):
        return Chosen(plain, None, seen, notes)
    counted = Sums(len(order))
    some = [pair for pair in trained_on if pair in seen]
    for sums in find.usable(lambda pair: sums_of(pair.image, plain), some, "Counting the bands").values():
        counted = counted + sums
    if not counted.count.all():
        number = order[int(np.flatnonzero(counted.count == 0)[0])]
        raise ValueError(f"band {number} has no data in any training image; take others by data.bands")
    average, deviation = counted.moments()
    lacking = 1 - counted.count / counted.pixels
    if lacking.any():
        notes.append(
            f"No data in up to {lacking.max():.1%} of a band's training pixels; where no band has any, nothing is "
            "trained or scored"
        )
    fill = average if mean is None else np.array(mean) * (1 if floating else 255)
    stored = fill if floating else fill.round().clip(0, 255)
    unit = 1 if floating else 255
    moments = tuple((average / unit).tolist()), tuple((deviation / unit).tolist())
    return Chosen(Bands(order, floating, wish.nodata, tuple(stored.tolist()), show), moments, seen, notes)


def colours(header: Header) -> int:
    """How many bands an image has, where its mode is no other form of three colours."""
    return 3 if header.mode in CONVERTED else header.bands


def alike(seen: dict[Pair, Seen], wish: Wish, find: Finder) -> dict[Pair, Seen]:
    """Those images that have as many bands as most; the others are refused, unless bands are named."""
    if isinstance(wish.bands, list):
        return seen
    counts = [each.bands for each in seen.values()]
    most = max(counts, key=counts.count, default=1)
    for pair, each in seen.items():
        if each.bands != most:
            find.refuse(
                Unreadable(
                    f"{pair.image} has {each.bands} bands, but most images {most}; save all alike, or name those that "
                    "all have in data.bands"
                )
            )
    return {pair: each for pair, each in seen.items() if each.bands == most}


def numbers(seen: Mapping[Pair, Seen], wish: Wish) -> tuple[int, ...]:
    """The numbers of the bands to take. Raises ValueError for a list that is none."""
    if isinstance(wish.bands, list):
        if not wish.bands or min(wish.bands) < 1 or len(set(wish.bands)) < len(wish.bands):
            raise ValueError(f"data.bands={wish.bands} must be different numbers of bands, from 1, such as [4,3,2]")
        return tuple(wish.bands)
    return tuple(range(1, next((each.bands for each in seen.values()), 1) + 1))


def shown(order: tuple[int, ...], asked: list[int] | None) -> tuple[int, ...]:
    """The bands that pictures show: those asked for, else the first three, or the first. Raises ValueError."""
    if asked is None:
        return order[:3] if len(order) >= 3 else order[:1]
    if len(asked) not in (1, 3) or not set(asked) <= set(order):
        raise ValueError(f"data.show={asked} must be three of the bands, or one, out of {listed(order)}")
    return tuple(asked)


def listed(order: Iterable[int]) -> str:
    """Numbers of bands in words."""
    found = list(order)
    if len(found) > 3 and found == list(range(found[0], found[0] + len(found))):
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found))


def sums_of(path: Path, bands: Bands) -> Sums:
    """Those of one file."""
    with opened(path) as (picture, header), bounded(path, header):
        values, lacking = taken(path, picture, header, bands)
    made = Sums(len(bands.order))
    made.pixels = values.shape[0] * values.shape[1]
    for i in range(len(bands.order)):
        kept = values[..., i] if lacking is None else values[..., i][~lacking[..., i]]
        made.count[i] = kept.size
        if kept.size:
            made.mean[i] = kept.mean(dtype=np.float64)
            made.squares[i] = np.square(kept - made.mean[i], dtype=np.float64).sum()
    return made
