"""What a trained network makes of an image of any size, written as files, each whole or not at all."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from PIL import Image
from torch import Tensor, nn

from models.tasks.generation.report import write_grid
from models.tasks.segmentation.inference import Inference
from models.tasks.super_resolution.bicubic import to_uint8
from models.trained.saved import Trained
from plumbing.atomic import whole

TILE = 256  # pixels a side that a super-resolution network sees at once, besides its margin
GENERATED = 64  # images at a time, and in the grid


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG."""
    with whole(path) as partial:
        picture.save(partial, "PNG")


def picture_of(image: Tensor) -> Image.Image:
    """A grey or RGB picture of (C, H, W) uint8."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(-1).contiguous().cpu().numpy())


def as_channels(image: Tensor, channels: int) -> Tensor:
    """An RGB image (3, H, W) uint8 as a network takes it: for one channel its luma (ITU-R BT.601)."""
    return image if channels == 3 else torch.from_numpy(np.array(picture_of(image).convert("L")))[None]


@torch.no_grad()
def segment(net: Trained, image: Tensor, inference: Inference, output: Path, name: str, probabilities: bool) -> None:
    """Write masks/<name>.png, indices with the palette; overlays/<name>.png, half image and half palette; and if asked
    probabilities/<name>.npz, whose `probabilities` is (H, W, classes) float16.

    image: (3, H, W) uint8.
    """
    height, width = image.shape[-2:]
    device = next(net.parameters()).device
    seen = as_channels(image, net.channels)[None]
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

    palette = np.array(net.palette, np.uint8)
    indexed = Image.fromarray(mask)
    indexed.putpalette(palette.tobytes())  # makes it an indexed picture
    write_picture(output / "masks" / f"{name}.png", indexed)
    overlay = image.permute(1, 2, 0).numpy() // 2 + palette[mask] // 2
    write_picture(output / "overlays" / f"{name}.png", Image.fromarray(overlay))


def write_probabilities(path: Path, strips: Iterator[Tensor], shape: tuple[int, int, int]) -> None:
    """Write logits (1, K, rows, W) as probabilities, strip by strip: they take ten times the memory of the image."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("probabilities.npy", "w", force_zip64=True) as file,
    ):
        npy.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for strip in strips:
            file.write(strip[0].softmax(0).permute(1, 2, 0).cpu().numpy().astype("<f2").tobytes())


def margin(network: nn.Module) -> int:
    """How many input pixels around a tile a network can look at, at most: the reach of all its convolutions on end,
    and of what else an upsampler may gather."""
    reaches = (
        (module.kernel_size[0] - 1) * module.dilation[0]
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    )
    return sum(reaches) // 2 + 8


@torch.no_grad()
def enlarge(net: Trained, image: Tensor, tile: int = TILE) -> Tensor:
    """(3, H, W) uint8 to (C, scale*H, scale*W) uint8, tile by tile, the same as at once."""
    image = as_channels(image, net.channels)
    device, scale, around = next(net.parameters()).device, net.period, margin(net.network)
    channels, height, width = image.shape
    large = torch.empty(channels, scale * height, scale * width, dtype=torch.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            y, x = max(0, top - around), max(0, left - around)
            part = image[None, :, y : top + tile + around, x : left + tile + around]
            done = to_uint8(255 * net(part.to(device)))[0, :, scale * (top - y) :, scale * (left - x) :]
            place = large[:, scale * top : scale * (top + tile), scale * left : scale * (left + tile)]
            place.copy_(done[:, : place.shape[1], : place.shape[2]])
    return large


def enlarge_to(net: Trained, image: Tensor, path: Path) -> None:
    """Write the enlarged image as PNG."""
    write_picture(path, picture_of(enlarge(net, image)))


@torch.no_grad()
def generate(net: Trained, count: int, seed: int) -> Iterator[Tensor]:
    """`count` images (C, S, S) uint8; the seed decides which."""
    device = next(net.parameters()).device
    latents = torch.randn(count, net.latent or 0, generator=torch.Generator().manual_seed(seed))
    for batch in latents.split(GENERATED):
        yield from to_uint8(255 * net(batch.to(device))).cpu()


def write_samples(net: Trained, count: int, seed: int, output: Path) -> Iterator[None]:
    """Write samples/<number>.png and grid.png, which shows the first 64; yields after each sample."""
    shown = []
    for i, image in enumerate(generate(net, count, seed)):
        write_picture(output / "samples" / f"{i:0{len(str(count - 1))}d}.png", picture_of(image))
        shown += [image] if i < GENERATED else []
        yield
    write_grid(output / "grid.png", torch.stack(shown))
