"""Images without any grid, on which the instrument must stay silent."""

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Generator, Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from upsample.instrument.noise import pink_noise

# Of (count, pixels a side, random numbers): images (count, C, side, side), grey levels of about 0 to 255.
Content = Callable[[int, int, Generator], Tensor]
WORDS = ("the", "grid", "period", "pattern", "image", "decoder", "layer", "stride", "phase", "which", "under", "light")


def uniform(low: float, high: float, random: Generator) -> float:
    """One number."""
    return low + (high - low) * torch.rand((), generator=random).item()


def whole(below: int, random: Generator) -> int:
    """One whole number, 0 or more."""
    return int(torch.randint(below, (), generator=random))


def noise(count: int, side: int, random: Generator) -> Tensor:
    """1/f noise, as strong as photographs, each image out of a field of its own.

    Quarters of one field are not independent: what is at one's border goes on in the next, so that their coefficients
    along the axes cancel in part, and with them a part of a pattern's amount.
    """
    fields = [pink_noise(1, side, side, whole(2**31, random)) for _ in range(count)]
    return 128 + 50 * torch.cat(fields)


def steps(count: int, side: int, random: Generator) -> Tensor:
    """One step in an otherwise flat image, across or down, anywhere."""
    images = torch.empty(count, 1, side, side)
    for image in images:
        image[:] = uniform(0, 255, random)
        image[:, whole(side, random) :] = uniform(0, 255, random)
        if whole(2, random):
            image[:] = image.mT.clone()
    return images


def ramps(count: int, side: int, random: Generator) -> Tensor:
    """Linear ramps, in every direction."""
    at = torch.arange(side) - side / 2
    slopes = [(uniform(-0.5, 0.5, random), uniform(-0.5, 0.5, random)) for _ in range(count)]
    return torch.stack([(128 + a * at[:, None] + b * at)[None] for a, b in slopes])


def rectangles(count: int, side: int, random: Generator) -> Tensor:
    """Twelve rectangles with sharp edges along the axes."""
    return _rectangles(count, side, random, 0)


def blurred_rectangles(count: int, side: int, random: Generator) -> Tensor:
    """The same, blurred by 2 pixels."""
    return gaussian_blur(rectangles(count, side, random), [13, 13], [2.0, 2.0])


def rotated_rectangles(count: int, side: int, random: Generator) -> Tensor:
    """The same, each image turned by an angle of its own."""
    return _rectangles(count, side, random, torch.pi)


def _rectangles(count: int, side: int, random: Generator, turn: float) -> Tensor:
    at = torch.arange(side) - side / 2
    images = torch.empty(count, 1, side, side)
    for image in images:
        angle = torch.tensor(uniform(0, turn, random))
        y, x = at[:, None] * angle.cos() + at * angle.sin(), at * angle.cos() - at[:, None] * angle.sin()
        image[:] = uniform(0, 255, random)
        for _ in range(12):
            size = [uniform(side / 16, side / 2, random) for _ in range(2)]
            place = [uniform(-side / 2, side / 2, random) for _ in range(2)]
            image[:, ((y - place[0]).abs() < size[0] / 2) & ((x - place[1]).abs() < size[1] / 2)] = uniform(
                0, 255, random
            )
    return images


def text(count: int, side: int, random: Generator) -> Tensor:
    """Cuttings of printed pages, at a place of their own each; lines and letters repeat."""
    images = []
    for _ in range(count):
        page = Image.new("L", (2 * side, 2 * side), 245)
        size = 9 + whole(8, random)
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(size)
        for top in range(4, 2 * side, size + 2 + whole(6, random)):
            words = [WORDS[whole(len(WORDS), random)] for _ in range(side // 12)]
            draw.text((6, top), " ".join(words), fill=20, font=font)
        y, x = (whole(side, random) for _ in range(2))
        images.append(torch.from_numpy(np.array(page))[None, y : y + side, x : x + side].float())
    return torch.stack(images)


def half_flat(count: int, side: int, random: Generator) -> Tensor:
    """1/f noise of which half is flat, cut off along a straight line; every other image is flat all over."""
    images = noise(count, side, random)
    at = torch.arange(side) - side / 2
    for image in images:
        angle = torch.tensor(uniform(0, 2 * torch.pi, random))
        image[:, at[:, None] * angle.sin() + at * angle.cos() > 0] = uniform(0, 255, random)
    images[::2] = images[::2].mean((1, 2, 3), keepdim=True)
    return images


@torch.no_grad()
def equivariant(count: int, side: int, random: Generator) -> Tensor:
    """What a random network of three convolutions without strides makes of 1/f noise."""
    images = noise(3 * count, side, random).view(count, 3, side, side) / 50
    layers = [nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3)]
    for layer in layers:
        for value in layer.parameters():
            value.copy_(torch.randn(value.shape, generator=random) * value[0].numel() ** -0.5)
    output = nn.Sequential(*layers)(F.pad(images, [1] * 4))
    return 50 * output / output.std()


@lru_cache
def _photographs(folder: Path) -> list[Tensor]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".png")
    return [torch.from_numpy(np.array(Image.open(file).convert("RGB"))).movedim(2, 0) for file in files]


def photographs(folder: Path) -> Content:
    """Cuttings of a folder's photographs, in colour, at a place of their own each."""

    def cut(count: int, side: int, random: Generator) -> Tensor:
        images = []
        for at in torch.randperm(len(_photographs(folder)), generator=random)[:count].tolist():
            photo = _photographs(folder)[at]
            y, x = (whole(length - side + 1, random) for length in photo.shape[-2:])
            images.append(photo[:, y : y + side, x : x + side])
        return torch.stack(images).float()

    return cut


def jpeg(folder: Path, aligned: bool) -> Content:
    """Photographs after JPEG at a quality of 50 to 95.

    aligned  whether every image begins where a block does, as in a folder of JPEG files, which `inspect` sees by their
             luma; else it is in colour and cut anywhere
    """

    def cut(count: int, side: int, random: Generator) -> Tensor:
        room = side if aligned else side + 16
        images = []
        for photo in photographs(folder)(count, room, random).to(torch.uint8):
            file = io.BytesIO()
            Image.fromarray(photo.movedim(0, 2).numpy()).save(file, "JPEG", quality=50 + whole(46, random))
            stored = Image.open(file)
            if aligned:
                stored.draft("L", stored.size)
            decoded = torch.from_numpy(np.array(stored)).view(room, room, -1).movedim(2, 0)
            y, x = (whole(room - side + 1, random) for _ in range(2))
            images.append(decoded[:, y : y + side, x : x + side])
        return torch.stack(images).float()

    return cut


def contents(photos: Path | None) -> dict[str, Content]:
    """All by the names of the table; those of photographs where their folder is given."""
    found: dict[str, Content] = {
        "1/f noise": noise,
        "one step": steps,
        "ramps": ramps,
        "rectangles, sharp": rectangles,
        "rectangles, blurred": blurred_rectangles,
        "rectangles, rotated": rotated_rectangles,
        "a page of text": text,
        "half flat": half_flat,
        "output of a shift-equivariant network": equivariant,
    }
    if photos is not None:
        found |= {"photographs": photographs(photos), "photographs after JPEG, cut anywhere": jpeg(photos, False)}
        found["photographs as JPEG files, by their luma"] = jpeg(photos, True)
    return found
