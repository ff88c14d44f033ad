"""Bands of files as they are stored, against what rasterio's and tifffile's own arrays say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from numpy.typing import NDArray
from PIL import Image

from data.files.bands import Bands, Wish, chosen, read
from data.files.finding import Finder, Pair
from data.files.reading import Unreadable, read_header

NO_DATA = 42113


def write(path: Path, pixels: NDArray[Any], nodata: str | None = None, **options: Any) -> Path:
    """(H, W, C) as a TIFF, with GDAL's tag where a number for no data is given."""
    tags = [] if nodata is None else [(NO_DATA, "s", 0, nodata, True)]
    shape = {"photometric": "minisblack", "planarconfig": "contig"} if pixels.shape[2] > 1 else {}
    pixels = pixels if pixels.shape[2] > 1 else pixels[..., 0]
    tifffile.imwrite(path, pixels, extratags=tags, **(shape | options))
    return path


def scene(bands: int, dtype: Any = np.uint16, seed: int = 0) -> NDArray[Any]:
    drawn = np.random.default_rng(seed).uniform(1, 250, (6, 5, bands))
    return (drawn * (1 if np.dtype(dtype).itemsize == 1 else 3.7)).astype(dtype)


def plain(*order: int, floating: bool = True, nodata: Any = "auto", fill: float = 0) -> Bands:
    return Bands(order, floating, nodata, (fill,) * len(order), order[:1])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("bands", [1, 3, 4, 13])
def test_numbers_come_as_they_are_stored_in_the_order_asked_for(bands: int, dtype: Any, tmp_path: Path) -> None:
    pixels = scene(bands, dtype) if np.dtype(dtype) != np.int8 else scene(bands, np.uint8).astype(np.int8)
    path = write(tmp_path / "a.tif", pixels)
    order = tuple(range(bands, 0, -1))
    image, missing = read(path, plain(*order, floating=dtype != np.uint8))
    assert missing is None
    assert image.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    assert np.array_equal(image, pixels.astype(image.dtype)[..., ::-1].transpose(2, 0, 1))


def test_planes_and_files_that_are_no_tiff_are_read_alike(tmp_path: Path) -> None:
    pixels = scene(3, np.uint8)
    tifffile.imwrite(
        tmp_path / "planes.tif", pixels.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"
    )
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(tmp_path / "alpha.png")
    for name in ("planes.tif", "a.png", "alpha.png"):
        image, _ = read(tmp_path / name, plain(1, 2, 3, floating=False))
        assert np.array_equal(image, pixels.transpose(2, 0, 1)), name
    image, _ = read(tmp_path / "alpha.png", plain(4, floating=False))  # a band like any other, where it is asked for
    assert np.array_equal(image[0], pixels[..., 0])


@pytest.mark.parametrize(
    ("dtype", "nodata", "tag", "value"),
    [
        (np.uint16, "auto", "0", 0),
        (np.int16, "auto", "-9999", -9999),
        (np.float32, "auto", "-3.4028234663852886e+38", -3.4028235e38),
        (np.float32, "auto", None, np.nan),
        (np.float32, "auto", "nan", np.inf),
        (np.uint8, 7, None, 7),
        (np.uint16, 65535.0, "0", 65535),
    ],
)
def test_what_is_no_data_is_filled_and_where_no_band_has_any_is_told(
    dtype: Any, nodata: Any, tag: str | None, value: float, tmp_path: Path
) -> None:
    pixels = scene(3, dtype)
    pixels[0, 0] = value  # in all bands
    pixels[1, 1, 2] = value  # in one
    path = write(tmp_path / "a.tif", pixels, tag)
    image, missing = read(path, plain(1, 2, 3, floating=dtype != np.uint8, nodata=nodata, fill=99))
    lacking = np.zeros((6, 5), bool)
    lacking[0, 0] = True
    assert missing is not None
    assert np.array_equal(missing, lacking)
    assert (image[:, 0, 0] == 99).all()
    assert image[2, 1, 1] == 99
    assert np.array_equal(image[:2, 1, 1], pixels[1, 1, :2])


def test_the_mask_beside_an_image_is_what_rasterio_makes_of_it(tmp_path: Path) -> None:
    valid = np.ones((6, 5), bool)
    valid[2:4, 1] = False
    options = {"driver": "GTiff", "height": 6, "width": 5, "count": 2, "dtype": "uint16"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(tmp_path / "a.tif", "w", **options) as file:
        file.write(scene(2).transpose(2, 0, 1))
        file.write_mask(valid)
    _, missing = read(tmp_path / "a.tif", plain(1, 2))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert missing is not None
        assert np.array_equal(missing, file.dataset_mask() == 0)
        assert np.array_equal(missing, ~valid)


def choose(folder: Path, **wish: Any) -> Any:
    pairs = [Pair(path.stem, path) for path in sorted(folder.iterdir())]
    headers = {pair: read_header(pair.image) for pair in pairs}
    return chosen(headers, Wish(**wish), Finder("raise", "skip"), pairs)


def folder(top: Path, make: Callable[[int], NDArray[Any]], nodata: str | None = None) -> Path:
    for i in range(3):
        write(top / f"{i}.tif", make(i), nodata)
    return top


def test_pictures_of_one_or_three_colours_are_left_alone(tmp_path: Path) -> None:
    folder(tmp_path, lambda i: scene(3, np.uint16, i))
    assert choose(tmp_path) is None
    assert choose(tmp_path, bands="rgb") is None
    assert choose(tmp_path, bands="all").bands.order == (1, 2, 3)


@pytest.mark.parametrize("count", [2, 4, 13, 16, 20])
def test_moments_are_numpys_over_all_training_pixels_that_hold_data(count: int, tmp_path: Path) -> None:
    def make(i: int) -> NDArray[Any]:
        pixels = scene(count, np.float32, i)
        pixels[i, :2, 1] = -9999
        return pixels

    folder(tmp_path, make, "-9999")
    found = choose(tmp_path)
    every = np.stack([make(i) for i in range(3)]).reshape(-1, count).astype(np.float64)
    every[every == -9999] = np.nan
    assert np.allclose(found.moments[0], np.nanmean(every, 0), rtol=1e-9)
    assert np.allclose(found.moments[1], np.nanstd(every, 0), rtol=1e-9)
    assert np.allclose(found.bands.fill, found.moments[0])
    assert found.bands.show == ((1,) if count == 2 else (1, 2, 3))
    assert f"{6 / 90:.1%}" in found.notes[1]  # two pixels of a row in each of three images of 30


REFUSED = {
    "a band too many": ({"bands": [1, 5]}, "has 4 bands, but band 5 is asked for"),
    "a band twice": ({"bands": [1, 1]}, "must be different numbers of bands"),
    "band 0": ({"bands": [0]}, "must be different numbers of bands"),
    "to show what is not taken": (
        {"bands": [1, 2, 3], "show": [4, 3, 2]},
        "three of the bands, or one, out of 1, 2, 3",
    ),
    "to show two": ({"show": [1, 2]}, "three of the bands, or one, out of 1 to 4"),
    "to show of colours": ({"bands": "rgb", "show": [1, 2, 3]}, "add data.bands=all"),
}


@pytest.mark.parametrize(("wish", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused(wish: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    folder(tmp_path, lambda i: scene(4, np.float32, i))
    with pytest.raises(ValueError, match=sentence):
        choose(tmp_path, **wish)


def test_images_of_different_numbers_of_bands_are_named(tmp_path: Path) -> None:
    folder(tmp_path, lambda i: scene(4 if i else 5, np.uint8, i))
    with pytest.raises(Unreadable, match=r"0.tif has 5 bands, but most images 4"):
        choose(tmp_path)
    assert choose(tmp_path, bands=[4, 2]).bands.order == (4, 2)


def test_numbers_that_no_network_takes_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, lambda i: scene(2, np.float32, i).astype(np.complex64))
    with pytest.raises(Unreadable, match="complex"):
        choose(tmp_path, bands="all")
    path = write(tmp_path / "nan.tif", np.full((4, 4, 2), np.nan, np.float32))
    with pytest.raises(Unreadable, match="values that are no numbers"):
        read(path, plain(1, 2, nodata="none"))
    with pytest.raises(Unreadable, match="stores float32, but the other images, or those of training, 8 bits"):
        read(path, plain(1, 2, floating=False))
