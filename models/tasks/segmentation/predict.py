"""The classes of an image of any size, as files."""

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from data.files.bands import Bands
from data.files.bands import read as read_bands
from data.files.palette import overlaid
from data.files.reading import read_image
from data.loading.loaded import Images
from models.tasks.picture_files import as_channels, write_picture
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.scene import without_class
from models.trained.saved import Trained
from plumbing.atomic import whole
from plumbing.messages import as_text

OPACITY = 0.5  # of a class over the image


@torch.no_grad()
def segment(net: Trained, path: Path, inference: Inference, output: Path, name: str, probabilities: bool) -> None:
    """Write masks/<name>.png in the numbers of the masks of training; overlays/<name>.png, half image and half
    palette, a class in black left clear; and if asked probabilities/<name>.npz, whose `probabilities` is
    (H, W, classes) float16.

    path  of an image file, which is read as those of the network's training were. Where it has no data in any band, the
          mask holds the number of no class
    """
    seen, shown, missing = read(net, path)
    height, width = seen.shape[-2:]
    device = next(net.parameters()).device
    mask = np.empty((height, width), np.uint8)
    done = 0

    def strips() -> Iterator[Tensor]:
        nonlocal done
        for strip in inference.strips(lambda part: net(part.to(device)), seen):
            rows = strip.shape[2]
            mask[done : done + rows] = strip[0].argmax(0).cpu().numpy()
            done += rows
            yield strip

    if probabilities:
        with whole(output / "probabilities" / f"{name}.npz") as partial:
            write_probabilities(partial, strips(), (height, width, len(net.classes)))
    else:
        for _ in strips():
            pass

    write_mask(output / "masks" / name, mask, net, missing)
    if missing is not None:
        mask[missing] = 255  # no class
    overlay = overlaid(np.ascontiguousarray(shown.permute(1, 2, 0).numpy()), mask, net.palette, OPACITY)
    write_picture(output / "overlays" / f"{name}.png", Image.fromarray(overlay))


def read(net: Trained, path: Path) -> tuple[Tensor, Tensor, NDArray[np.bool_] | None]:
    """An image as the network takes it, (1, C, H, W); as it can be shown, (3, H, W) uint8; and (H, W) where it has no
    data, None where there is no such pixel. Raises Unreadable."""
    if net.bands is None:
        image = torch.from_numpy(read_image(path, net.span))
        return as_channels(image, net.channels)[None], image, None
    bands, config = Bands.of(net.bands), net.config
    pixels, missing = read_bands(path, bands)
    image = torch.from_numpy(pixels)
    picture = Images("", tuple(config["mean"]), tuple(config["std"]), bands=bands).picture(image)
    return image[None], picture.expand(3, -1, -1), missing


def write_mask(path: Path, mask: NDArray[np.uint8], net: Trained, missing: NDArray[np.bool_] | None = None) -> None:
    """Write (H, W) of places in `net.classes` as their numbers: indices with the palette in a PNG or, where a number is
    above 255, 16 bits of grey; where one is negative or beyond 16 bits, a TIFF of 32 bits.

    missing  (H, W) where there is no class
    """
    numbers = np.array(net.labels, np.int64)
    if missing is not None:
        numbers = np.append(numbers, without_class(net))
        mask = np.where(missing, len(net.labels), mask.astype(np.int64))
    if numbers.min() < 0 or numbers.max() > 65535:
        with whole(path.with_name(f"{path.name}.tif")) as partial:
            Image.fromarray(numbers.astype(np.int32)[mask]).save(partial, "TIFF", compression="tiff_lzw")
        return
    place = path.with_name(f"{path.name}.png")
    if numbers.max() > 255:
        write_picture(place, Image.fromarray(numbers.astype(np.uint16)[mask]))
        return
    picture = Image.fromarray(numbers.astype(np.uint8)[mask])
    colours = np.zeros((256, 3), np.uint8)
    colours[net.labels] = np.array(net.palette, np.uint8)
    picture.putpalette(colours[: numbers.max() + 1].tobytes())  # makes it an indexed picture
    write_picture(place, picture)


def write_legend(net: Trained, output: Path) -> None:
    """Write masks/legend.csv: the number, name and colour of each class."""
    with whole(output / "masks" / "legend.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["label", "name", "colour"])
        for number, name, colour in zip(net.labels, net.classes, net.palette, strict=True):
            rows.writerow([number, as_text(name), "#{:02x}{:02x}{:02x}".format(*colour)])


def write_probabilities(path: Path, strips: Iterator[Tensor], shape: tuple[int, int, int]) -> None:
    """Write logits (1, K, rows, W) as probabilities, strip by strip: they take ten times the memory of the image."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("probabilities.npy", "w", force_zip64=True) as file,
    ):
        npy.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for strip in strips:
            file.write(strip[0].softmax(0).permute(1, 2, 0).cpu().numpy().astype("<f2").tobytes())
