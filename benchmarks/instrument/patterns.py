"""Patterns to plant in images, each of a period, of mean 0 and rms 1."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

# Of (period, random numbers): a pattern (period, period) of mean 0 and rms 1.
Pattern = Callable[[int, Generator], Tensor]


def _scaled(pattern: Tensor) -> Tensor:
    pattern = pattern - pattern.mean()
    return pattern / pattern.square().mean().sqrt()


def scattered(period: int, random: Generator) -> Tensor:
    """Every place of the grid has a random level of its own, as random weights print."""
    return _scaled(torch.randn(period, period, generator=random))


def lines(period: int, random: Generator) -> Tensor:
    """One row of each period is brighter."""
    return _scaled((torch.arange(period) == 0).float()[:, None].expand(period, period))


def diagonal(period: int, random: Generator) -> Tensor:
    """Diagonal lines, one in each period."""
    at = torch.arange(period)
    return _scaled(((at[:, None] + at) % period == 0).float())


def wave(period: int, random: Generator) -> Tensor:
    """One cosine down the image: all in the lowest harmonic, where images have most of their own."""
    return _scaled(torch.cos(2 * torch.pi * torch.arange(period) / period)[:, None].expand(period, period))


def plant(images: Tensor, pattern: Tensor, rms: float, where: str = "everywhere") -> Tensor:
    """The images (N, C, H, W) with a pattern of an rms.

    where  "everywhere", "one channel", "a sixth of the area" or "half of the images"
    """
    side = images.shape[-1]
    tiled = rms * pattern.repeat(side // len(pattern) + 1, side // len(pattern) + 1)[:side, :side]
    mask = torch.zeros(images.shape[0], images.shape[1], side, side)
    edge = round(side / 6**0.5)
    if where == "one channel":
        mask[:, images.shape[1] // 2] = 1
    elif where == "a sixth of the area":
        mask[..., side // 3 : side // 3 + edge, side // 3 : side // 3 + edge] = 1
    elif where == "half of the images":
        mask[::2] = 1
    else:
        mask[:] = 1
    return images + mask * tiled


PATTERNS: dict[str, Pattern] = {"scattered": scattered, "lines": lines, "diagonal": diagonal, "wave": wave}
