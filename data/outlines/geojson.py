"""GeoJSON over GeoTIFF: polygons in longitude and latitude, or in the CRS that the file names, to pixels."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.files.finding import walk
from data.geo import raster
from data.outlines.shapes import Outlined, Outlines, Shape
from plumbing.messages import needs, printable

AREAS = ("Polygon", "MultiPolygon")
CLASS = ("class", "label", "category", "name")  # properties that may name an outline's class: the first that all have
DEGREES = "OGC:CRS84"  # longitude, latitude: RFC 7946, section 4, for files that name no other


def read_geojson(contents: Mapping[Path, dict[str, Any]], top: Path) -> Outlines:
    """The polygons on each GeoTIFF below a folder, later ones over earlier ones; a pixel is inside by its centre.

    contents  FeatureCollections by their files: one called as an image is of that image alone, any other of all images
    Outlines of no area, and those that lie on no image, are counted. Raises ValueError for what cannot be read.
    """
    if not raster.installed():
        raise ValueError(needs("GeoJSON", "geo", "rasterio"))
    images = [path for path in walk(top) if path.suffix.lower() in (".tif", ".tiff") and raster.is_placed(path)]
    if not images:
        raise ValueError(f"{top} holds no GeoTIFF on which outlines could lie; put the images there")
    names = {path: classes_in(path, content) for path, content in contents.items()}
    numbers = {name: i for i, name in enumerate(sorted({n for each in names.values() for n in each}), start=1)}
    outlines, met, stems = Outlines([], numbers), set[tuple[Path, int]](), {image.stem for image in images}
    for image in images:
        own = [path for path in contents if path.stem == image.stem]
        files = own or [path for path in contents if path.stem not in stems]
        with raster.reading(image) as source:
            if source.crs is None:
                raise ValueError(
                    f"{image} names no CRS, so where outlines lie on it is not known; gdal_edit -a_srs sets it"
                )
            outlined = Outlined(image, source.height, source.width)
            for path in files:
                for place, area in areas_on(source, path, contents[path]):
                    met.add((path, place))
                    outlined.shapes.append(Shape(names[path][place], area))
        outlines.images.append(outlined)
    for path, content in contents.items():
        for place, feature in enumerate(content["features"]):
            kind = (feature.get("geometry") or {}).get("type")
            if kind not in AREAS:
                outlines.leave_out(f"of the kind {printable(kind, 40)}")
            elif (path, place) not in met:
                outlines.leave_out("that lie on no image")
    return outlines


def classes_in(path: Path, content: dict[str, Any]) -> list[str]:
    """The class of each outline. Raises ValueError where none of CLASS is a property of all."""
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(each, dict) for each in features):
        raise ValueError(f"{path} has no list of features; save it again as GeoJSON")
    told = [each.get("properties") or {} for each in features]
    key = next((key for key in CLASS if all(each.get(key) is not None for each in told)), None)
    if key is None:
        known = sorted({str(key) for each in told for key in each})[:10]
        raise ValueError(
            f"{path} does not say the class of each outline; give all a property {', '.join(CLASS[:-1])} or "
            f"{CLASS[-1]} (they have {printable(', '.join(known)) or 'none'})"
        )
    return [str(each[key]) for each in told]


def areas_on(source: Any, path: Path, content: dict[str, Any]) -> Iterator[tuple[int, Callable[[], NDArray[np.bool_]]]]:
    """(place in the file, what draws it) of each outline that holds a pixel of a raster. Raises ValueError."""
    from rasterio.errors import RasterioError
    from rasterio.features import rasterize
    from rasterio.warp import transform_geom

    size, transform = (source.height, source.width), source.transform

    def drawn(shape: Any) -> NDArray[np.bool_]:
        return rasterize([shape], size, transform=transform, dtype="uint8") == 1

    named = ((content.get("crs") or {}).get("properties") or {}).get("name")  # before RFC 7946
    for place, feature in enumerate(content["features"]):
        geometry = feature.get("geometry") or {}
        if geometry.get("type") not in AREAS:
            continue
        try:
            there = transform_geom(named or DEGREES, source.crs, geometry)
            held = drawn(there).any()
        except (RasterioError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            why = printable(error) or type(error).__name__
            raise ValueError(f"{path}: outline {place + 1} cannot be drawn on {source.name} ({why}); mend it") from None
        if held:
            yield place, partial(drawn, there)
