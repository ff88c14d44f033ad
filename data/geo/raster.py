"""GeoTIFF: read a few rows at a time, however large, and written with the place of what it was made from."""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.files.reading import Unreadable
from data.files.tiff import is_tiff
from plumbing.atomic import whole

PLACE = (33550, 33922, 34264, 34735)  # tags of GeoTIFF (OGC 19-008r4, section 7): scale, tie points, matrix, keys
BLOCK = 512  # pixels a side of a written file's tiles
CACHE = 2**26  # bytes that GDAL may keep of what it has decoded or has not written yet


def is_placed(path: Path) -> bool:
    """Whether a file is a TIFF that says where it lies: by its own tags or, where rasterio is installed, in any way
    that GDAL knows, such as a world file beside it."""
    if not path.is_file() or not is_tiff(path):
        return False
    if installed():
        with suppress(Unreadable), reading(path) as source:
            return bool(source.crs or source.gcps[0] or not source.transform.is_identity)
    import tifffile

    with suppress(Exception), tifffile.TiffFile(path) as file:  # whoever reads it says what is wrong with it
        return any(tag in file.pages.first.tags for tag in PLACE)
    return False


def installed() -> bool:
    """Whether there is rasterio, of the extra `geo`."""
    return importlib.util.find_spec("rasterio") is not None


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """A TIFF as rasterio opens it. Raises Unreadable for what it, or GDAL, stumbles over."""
    import rasterio  # here: of an optional extra
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver="GTiff") as source:  # by its name GDAL would try formats that fetch others
                yield source
    except RasterioError as error:
        why = " ".join(str(error.__cause__ or error).split())
        raise Unreadable(f"{path} is damaged ({why}); copy it again or remove it") from None


@dataclass(frozen=True)
class Rows:
    """Some rows of a raster: from `start` on, (rows, width, bands) as stored, and (rows, width) where there is data."""

    start: int
    pixels: NDArray[Any]
    valid: NDArray[np.bool_]

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + len(self.pixels)


class Scene:
    """A raster as an image (1, C, H, W) of which slices are read when they are asked for: `scene[..., rows, columns]`.

    It keeps the rows that were asked for last, as wide as the raster: what goes through it window by window, row of
    windows after row, has each decoded once, and once more what the rows of windows share.

    source    as `reading` gives it
    bands     their numbers, from 1
    convert   (h, w, bands) as stored, and (h, w) where GDAL says that there is data, to a tensor (1, C, h, w)
    channels  that `convert` makes of them
    """

    def __init__(
        self,
        source: Any,
        bands: Sequence[int],
        convert: Callable[[NDArray[Any], NDArray[np.bool_]], Any],
        channels: int,
    ) -> None:
        self.source, self.bands, self.convert = source, list(bands), convert
        self.shape = (1, channels, source.height, source.width)
        self.kept: Rows | None = None

    def rows(self, start: int, stop: int) -> Rows:
        """Rows of the raster: those kept, where they lie among them."""
        from rasterio.windows import Window

        if self.kept is None or start < self.kept.start or stop > self.kept.stop:
            self.kept = None  # before others come: one lot at a time in memory
            window = Window(0, start, self.source.width, stop - start)
            pixels = self.source.read(self.bands, window=window).transpose(1, 2, 0)
            self.kept = Rows(start, pixels, self.source.dataset_mask(window=window) != 0)
        at = slice(start - self.kept.start, stop - self.kept.start)
        return Rows(start, self.kept.pixels[at], self.kept.valid[at])

    def __getitem__(self, key: tuple[Any, slice, slice]) -> Any:
        """As of a tensor: `[..., top:bottom, left:right]`, (1, C, h, w)."""
        _, down, across = key
        start, stop, _ = down.indices(self.source.height)
        found = self.rows(start, stop)
        return self.convert(found.pixels[:, across], found.valid[:, across])


def placed_like(source: Any) -> dict[str, Any]:
    """What rasterio needs to put another raster of the same size where `source` lies: CRS and transform, or control
    points."""
    points, system = source.gcps
    if points:
        return {"gcps": points, "crs": system}
    return {"crs": source.crs, "transform": source.transform}


@contextmanager
def writing(
    path: Path,
    source: Any,
    bands: int,
    kind: str,
    nodata: float,
    names: Sequence[str] = (),
    colours: dict[int, tuple[int, int, int]] | None = None,
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Give what writes rows, (bands, rows, width) from the top on, into a GeoTIFF of the size and in the place of
    `source`: in tiles, deflated, whole or not at all.

    kind     NumPy's name of the type; nodata: the number that stands for none
    names    of the bands; colours: of the numbers, as viewers show them
    """
    import rasterio
    from rasterio.windows import Window

    height, width = source.height, source.width
    options = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "BIGTIFF": "IF_SAFER"}
    options |= {"predictor": 3 if np.dtype(kind).kind == "f" else 2} | placed_like(source)
    waiting: list[NDArray[Any]] = []
    done = 0

    with (
        whole(path, ".tif") as partial,
        rasterio.open(partial, "w", "GTiff", width, height, bands, dtype=kind, nodata=nodata, **options) as target,
    ):
        if colours is not None:
            target.write_colormap(1, colours)
        for number, name in enumerate(names, start=1):
            target.set_band_description(number, name)

        def write(rows: NDArray[Any]) -> None:
            """Whole rows of tiles go into the file, so that none is compressed twice; the rest waits for more."""
            nonlocal done
            waiting.append(rows)
            held = sum(each.shape[1] for each in waiting)
            ready = held if done + held == height else held // BLOCK * BLOCK
            if not ready:
                return
            joined = np.concatenate(waiting, 1)
            waiting[:] = [joined[:, ready:].copy()] if ready < held else []
            target.write(joined[:, :ready], window=Window(0, done, width, ready))
            done += ready

        yield write
