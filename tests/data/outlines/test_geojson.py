"""GeoJSON drawn on GeoTIFF: which pixels, counted by hand; what is left out; what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform_geom

from data.outlines.__main__ import convert


def scene(path: Path, crs: str | None, transform: Any) -> None:
    """20 x 30 pixels of three colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30), np.uint8)
    shape = {"driver": "GTiff", "count": 3, "height": 20, "width": 30, "dtype": "uint8"}
    with rasterio.open(path, "w", **shape, crs=crs, transform=transform) as target:
        target.write(pixels)


def square(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def collection(*features: tuple[str, dict[str, Any] | None], key: str = "class", **rest: Any) -> str:
    made = [{"type": "Feature", "properties": {key: name}, "geometry": shape} for name, shape in features]
    return json.dumps({"type": "FeatureCollection", "features": made, **rest})


def mask(out: Path, name: str) -> Any:
    with Image.open(out / "masks" / f"{name}.png") as picture:
        return np.array(picture)


def test_polygons_lie_where_they_lie_later_ones_over_earlier_ones(tmp_path: Path) -> None:
    """One image in degrees, one in metres, whose polygon is given in degrees."""
    scene(tmp_path / "in/a.tif", "EPSG:4326", from_origin(10, 50, 0.1, 0.1))
    scene(tmp_path / "in/b.tif", "EPSG:32633", from_origin(500000, 5500000, 10, 10))
    metres = square(500040, 5499970, 500100, 5499900)  # columns 4 to 9, rows 3 to 9
    (tmp_path / "in/b.geojson").write_text(
        collection(("road", transform_geom("EPSG:32633", "OGC:CRS84", metres, precision=12)))
    )
    field, house = square(10.3, 49.8, 11.1, 49.4), square(10.5, 49.6, 12.0, 49.0)
    point, far = {"type": "Point", "coordinates": [10.1, 49.9]}, square(80, 10, 81, 9)
    (tmp_path / "in/all.geojson").write_text(
        collection(("field", field), ("house", house), ("tree", point), ("field", far), ("field", None))
    )
    said = convert(tmp_path / "in", tmp_path / "out")
    assert said[0] == "GeoJSON: 3 outlines in 2 images, 4 classes and the background"
    assert [line for line in said if line.startswith("Left out")] == [
        "Left out, since they have no area: 1 of the kind Point",
        "Left out, since they have no area: 1 that lie on no image",
        "Left out, since they have no area: 1 of the kind None",
    ]
    expected = np.zeros((20, 30), np.uint8)
    expected[2:6, 3:11] = 1  # field, house, road, tree
    expected[4:10, 5:20] = 2
    assert np.array_equal(mask(tmp_path / "out", "a"), expected)
    expected = np.zeros((20, 30), np.uint8)
    expected[3:10, 4:10] = 3
    assert np.array_equal(mask(tmp_path / "out", "b"), expected)
    assert (tmp_path / "out/images/a.tif").read_bytes() == (tmp_path / "in/a.tif").read_bytes()
    assert (tmp_path / "out/classes.txt").read_text() == "0 background\n1 field\n2 house\n3 road\n4 tree\n"


def test_a_crs_that_the_file_names_counts(tmp_path: Path) -> None:
    scene(tmp_path / "in/a.tif", "EPSG:32633", from_origin(500000, 5500000, 10, 10))
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    text = collection(("x", square(500000, 5500000, 500020, 5499990)), key="label", crs=crs)
    (tmp_path / "in/labels.json").write_text(text)
    convert(tmp_path / "in", tmp_path / "out")
    assert (mask(tmp_path / "out", "a") == 1).sum() == 2


@pytest.mark.parametrize(
    ("text", "crs", "sentence"),
    [
        (
            collection(("x", square(10, 50, 11, 49)), key="kind"),
            "EPSG:4326",
            r"give all a property class, .*have kind\)",
        ),
        (collection(("x", {"type": "Polygon", "coordinates": 3})), "EPSG:4326", "outline 1 cannot be drawn on .*a.tif"),
        (collection(("x", square(10, 50, 11, 49))), None, "a.tif names no CRS, so where outlines lie on it"),
    ],
)
def test_refusals(text: str, crs: str | None, sentence: str, tmp_path: Path) -> None:
    scene(tmp_path / "in/a.tif", crs, from_origin(10, 50, 0.1, 0.1))
    (tmp_path / "in/a.geojson").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        convert(tmp_path / "in", tmp_path / "out")


def test_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(collection(("x", square(10, 50, 11, 49))))
    with pytest.raises(ValueError, match="holds no GeoTIFF on which outlines could lie"):
        convert(tmp_path, tmp_path / "out")
