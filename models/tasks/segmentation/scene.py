"""The classes of a raster that lies somewhere on the Earth, seen window by window, as GeoTIFF in the same place."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.files.bands import Bands, as_numbers, lacking_in
from data.files.reading import Unreadable, as_colours
from data.files.tiff import stored_in
from data.geo.raster import Scene, reading, writing
from models.tasks.picture_files import as_channels
from models.tasks.segmentation.inference import Inference
from models.trained.saved import Trained

AT_ONCE = 64  # rows that become classes at a time: meanwhile they take several times as much as their logits
Lacking = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[np.bool_] | None]  # (h, w, C), of pixels and GDAL's mask


@torch.no_grad()
def segment_scene(
    net: Trained,
    path: Path,
    inference: Inference,
    output: Path,
    name: str,
    probabilities: bool,
    told: Callable[[float], None] = lambda share: None,
) -> None:
    """Write masks/<name>.tif in the numbers of the masks of training and, if asked, probabilities/<name>.tif with a
    band of float32 for each class: with the raster's CRS and transform, in tiles. Where it has no data the mask holds
    the number of no class and the probabilities NaN, which both files name as no data.

    told  is given the share that is done

    Of a raster larger than a window no more is in memory than one row of windows, as it is stored and as logits:
    window * width * (bytes of a pixel's bands + 4 * classes), of logits at most 1 GiB. Raises Unreadable.
    """
    numbers = np.array([*net.labels, without_class(net)], np.int64)
    with reading(path) as source, ExitStack() as stack:
        scene, lacking = opened(net, path, source)
        height, width = scene.shape[2:]
        kind = kind_of(numbers)
        colours = dict(zip(net.labels, net.palette, strict=True)) if kind == "uint8" else None
        masks = stack.enter_context(
            writing(output / "masks" / f"{name}.tif", source, 1, kind, int(numbers[-1]), colours=colours)
        )
        likely = None
        if probabilities:
            place = output / "probabilities" / f"{name}.tif"
            likely = stack.enter_context(
                writing(place, source, len(net.classes), "float32", float("nan"), names=net.classes)
            )
        device = next(net.parameters()).device
        fits = not inference.window or max(height, width) <= inference.window
        image: Any = scene[..., :height, :width] if fits else scene
        done = 0
        for strip in inference.strips(lambda part: net(part.to(device)), image):
            for logits in strip[0].split(AT_ONCE, 1):
                rows = scene.rows(done, done + logits.shape[1])
                missing = lacking(rows.pixels, rows.valid)
                nothing = np.zeros(rows.valid.shape, bool) if missing is None else missing.all(2)
                classes = logits.argmax(0).cpu().numpy()
                classes[nothing] = len(net.labels)
                masks(numbers[classes].astype(kind)[None])
                if likely is not None:
                    shares = logits.softmax(0).cpu().numpy()
                    shares[:, nothing] = np.nan
                    likely(shares)
                done += logits.shape[1]
            told(done / height)


def opened(net: Trained, path: Path, source: Any) -> tuple[Scene, Lacking]:
    """A raster as the network takes it, and what says where it lacks data. Raises Unreadable."""
    if net.bands is None:
        return pictures(net, path, source)
    bands, stored = Bands.of(net.bands), stored_in(path)
    if stored.kind.kind not in "uifb":
        raise Unreadable(f"{path} stores numbers of the type {stored.kind}; save its real parts as float32")
    if source.count < max(bands.order):
        raise Unreadable(
            f"{path} has {source.count} bands, but the network takes band {max(bands.order)}; give it as many"
        )
    number = stored.no_data if bands.nodata == "auto" else None if isinstance(bands.nodata, str) else bands.nodata
    masked = stored.masked and bands.nodata == "auto"

    def lacking(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        return lacking_in(path, pixels, bands.nodata, number, valid if masked else None)

    def convert(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        found, missing = as_numbers(path, pixels, bands.floating), lacking(pixels, valid)
        if missing is not None:
            found = np.where(missing, np.array(bands.fill, found.dtype), found)
        return torch.from_numpy(np.ascontiguousarray(found.transpose(2, 0, 1)))[None]

    return Scene(source, bands.order, convert, len(bands.order)), lacking


def pictures(net: Trained, path: Path, source: Any) -> tuple[Scene, Lacking]:
    """The same for a network of pictures: the first three bands as colours, or the first as grey."""
    from rasterio.enums import ColorInterp

    if source.colorinterp[0] == ColorInterp.palette:
        raise Unreadable(
            f"{path} holds numbers of a palette, not colours; write it as RGB (gdal_translate -expand rgb)"
        )
    colours = [n for n, kind in zip(source.indexes, source.colorinterp, strict=True) if kind != ColorInterp.alpha]

    def convert(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        found = as_colours(path, pixels, net.span).transpose(2, 0, 1)
        return as_channels(torch.from_numpy(np.require(found, requirements=["C", "W"])), net.channels)[None]

    def lacking(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        return None if valid.all() else ~valid[..., None]

    return Scene(source, colours[: 3 if len(colours) >= 3 else 1], convert, net.channels), lacking


def kind_of(numbers: NDArray[np.int64]) -> str:
    """NumPy's name of the smallest type that holds them and that GDAL has."""
    kinds = ("uint8", "uint16", "int32")
    return next(k for k in kinds if np.iinfo(k).min <= numbers.min() and numbers.max() <= np.iinfo(k).max)


def without_class(net: Trained) -> int:
    """The number that a predicted mask holds where there is no class: as in the masks of training, else the first of
    255, 0 and -1 that stands for none."""
    candidates = (*net.config.get("ignored", ()), 255, 0, -1)
    return next(number for number in candidates if number not in net.labels)
