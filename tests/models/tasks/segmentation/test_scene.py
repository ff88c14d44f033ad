"""GeoTIFF in and out: read back by rasterio, and against the same image segmented whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import Window

from data.geo import raster
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.scene import segment_scene

PLACE = {"crs": CRS.from_epsg(32633), "transform": from_origin(399960, 5300040, 10, 10)}
BANDS = {"order": [4, 1, 2], "floating": True, "nodata": "auto", "fill": [1.0, 2.0, 3.0], "show": [4, 1, 2]}


def write(path: Path, pixels: NDArray[Any], **options: Any) -> None:
    """(bands, H, W) as GeoTIFF."""
    bands, height, width = pixels.shape
    shape = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", **(shape | PLACE | options)) as target:
        target.write(pixels)


@pytest.fixture
def pixels() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(1, 4000, (4, 150, 100), np.uint16)


@pytest.fixture
def of_bands(trained: Callable[..., Any]) -> Any:
    """A network of three bands out of four, of 16 bits."""
    net = trained({"name": "deconv"})
    net.bands = BANDS
    net.preprocess.mean.fill_(2000)
    net.preprocess.std.fill_(1000)
    return net


def test_the_mask_and_the_probabilities_lie_where_the_raster_does(
    of_bands: Any, pixels: NDArray[np.uint16], tmp_path: Path
) -> None:
    """In windows, read as they are needed, against the logits of the same windows of the whole image in memory."""
    pixels[:, 20:30, 40:60] = 0
    pixels[0, 100:110] = 0  # of one band alone: filled, and not without data
    write(tmp_path / "scene.tif", pixels, nodata=0, tiled=True, blockxsize=32, blockysize=48)
    shares: list[float] = []
    inference = Inference(of_bands.period, 64)
    segment_scene(of_bands, tmp_path / "scene.tif", inference, tmp_path, "deep/scene", True, shares.append)

    taken = pixels[[3, 0, 1]].astype(np.float32)
    image = np.where(pixels[[3, 0, 1]] == 0, np.array(BANDS["fill"])[:, None, None], taken)
    with torch.no_grad():
        found = inference.strips(of_bands, torch.from_numpy(image.astype(np.float32))[None])
        logits = torch.cat([strip.clone() for strip in found], 2)[0]
    nothing = (pixels[[3, 0, 1]] == 0).all(0)
    assert nothing.sum() == 200
    with rasterio.open(tmp_path / "masks/deep/scene.tif") as mask:
        assert (mask.crs, mask.transform, mask.nodata) == (PLACE["crs"], PLACE["transform"], 255)
        assert (mask.profile["tiled"], mask.compression.name, mask.dtypes) == (True, "deflate", ("uint8",))
        assert mask.colormap(1)[1] == (100, 200, 0, 255)
        assert np.array_equal(mask.read(1), np.where(nothing, 255, logits.argmax(0).numpy()))
    with rasterio.open(tmp_path / "probabilities/deep/scene.tif") as likely:
        assert (likely.crs, likely.transform) == (PLACE["crs"], PLACE["transform"])
        assert np.isnan(likely.nodata)
        assert likely.descriptions == ("ocean", "land", "lake")
        values = likely.read()
    assert np.isnan(values[:, nothing]).all()
    expected = logits.softmax(0).numpy()
    assert np.abs(values[:, ~nothing] - expected[:, ~nothing]).max() <= 1e-6
    assert shares[-1] == 1
    assert sorted(shares) == shares
    assert not list(tmp_path.rglob("*.partial*"))


def test_a_mask_inside_the_file_and_colours(trained: Callable[..., Any], tmp_path: Path) -> None:
    """Of a picture, placed by control points; what its own mask leaves out is no class."""
    net = trained({"name": "bilinear"})
    pixels = np.random.default_rng(1).integers(0, 256, (3, 40, 30), np.uint8)
    points = [GroundControlPoint(row, col, 10 + col, 50 - row) for row, col in ((0, 0), (0, 30), (40, 0), (40, 30))]
    valid = np.ones((40, 30), bool)
    valid[:5] = False
    shape = {"driver": "GTiff", "count": 3, "height": 40, "width": 30, "dtype": "uint8"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "x.tif", "w", **shape, gcps=points, crs="EPSG:4326") as target,
    ):
        target.write(pixels)
        target.write_mask(valid)
    assert raster.is_placed(tmp_path / "x.tif")
    segment_scene(net, tmp_path / "x.tif", Inference(net.period), tmp_path, "x", False)
    with torch.no_grad():
        expected = net(torch.from_numpy(pixels)[None])[0].argmax(0).numpy()
    with rasterio.open(tmp_path / "masks/x.tif") as mask:
        assert [(p.row, p.col, p.x, p.y) for p in mask.gcps[0]] == [(p.row, p.col, p.x, p.y) for p in points]
        assert mask.gcps[1] == CRS.from_epsg(4326)
        assert np.array_equal(mask.read(1), np.where(valid, expected, 255))
    assert not (tmp_path / "probabilities").exists()


def test_rows_are_decoded_once(pixels: NDArray[np.uint16], tmp_path: Path) -> None:
    write(tmp_path / "x.tif", pixels)
    with raster.reading(tmp_path / "x.tif") as source:
        read: list[Window] = []

        class Counted:
            height, width = source.height, source.width

            def read(self, bands: list[int], window: Window) -> Any:
                read.append(window)
                return source.read(bands, window=window)

            def dataset_mask(self, window: Window) -> Any:
                return source.dataset_mask(window=window)

        scene = raster.Scene(Counted(), [2, 1], lambda part, valid: part, 2)
        for left in (0, 30, 60):
            assert np.array_equal(
                scene[..., 10:50, left : left + 40], pixels[[1, 0], 10:50, left : left + 40].T.swapaxes(0, 1)
            )
        scene.rows(20, 30)
    assert len(read) == 1


@pytest.mark.parametrize(
    ("count", "options", "sentence"),
    [
        (3, {}, "has 3 bands, but the network takes band 4; give it as many"),
        (4, {"dtype": "complex64"}, "stores numbers of the type complex64; save its real parts as float32"),
    ],
)
def test_refusals(of_bands: Any, count: int, options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    write(tmp_path / "x.tif", np.zeros((count, 20, 20), options.get("dtype", "uint16")))
    with pytest.raises(ValueError, match=sentence):
        segment_scene(of_bands, tmp_path / "x.tif", Inference(of_bands.period), tmp_path, "x", False)
    assert not (tmp_path / "masks").exists()


def test_a_palette_and_a_damaged_file_are_refused(trained: Callable[..., Any], tmp_path: Path) -> None:
    net = trained({"name": "bilinear"})
    shape = {"driver": "GTiff", "count": 1, "height": 20, "width": 20, "dtype": "uint8"}
    with rasterio.open(tmp_path / "x.tif", "w", **shape, **PLACE) as target:
        target.write_colormap(1, {0: (1, 2, 3), 1: (4, 5, 6)})
    with pytest.raises(ValueError, match="holds numbers of a palette, not colours"):
        segment_scene(net, tmp_path / "x.tif", Inference(net.period), tmp_path, "x", False)
    write(tmp_path / "cut.tif", np.random.default_rng(0).integers(0, 255, (3, 300, 300), np.uint8))
    cut = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(ValueError, match=r"cut.tif is damaged \("):
        segment_scene(net, tmp_path / "cut.tif", Inference(net.period), tmp_path, "cut", False)
    assert not list(tmp_path.rglob("masks/*"))
