"""Bicubic resizing as MATLAB's imresize does it: how super-resolution makes its inputs, and what it must beat.

Published scores all stand on this definition. torch's own bicubic is another one (a = -3/4; replicated borders).
"""

from functools import lru_cache
from math import ceil

import torch
from torch import Tensor


def cubic(x: Tensor) -> Tensor:
    """The cubic convolution kernel with a = -1/2 (Keys, 1981), which is zero from |x| = 2 on."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0))


@lru_cache
def resize_matrix(size: int, resized: int) -> Tensor:
    """(resized, size) float64: multiplies one axis of an image to give it `resized` pixels.

    Pixel centres are aligned. To shrink, the kernel is widened by the factor, so that what the smaller grid cannot
    hold is averaged out; each row is normalised to sum 1; beyond the border the image goes on as its mirror image,
    border pixel repeated ("symmetric").
    """
    widening = max(1.0, size / resized)
    centre = (torch.arange(resized, dtype=torch.float64) + 0.5) * size / resized - 0.5
    first = (centre - 2 * widening).floor()
    tap = first[:, None] + torch.arange(ceil(4 * widening) + 2)
    weight = cubic((centre[:, None] - tap) / widening)
    weight = weight / weight.sum(1, keepdim=True)
    folded = tap.long() % (2 * size)
    folded = torch.where(folded < size, folded, 2 * size - 1 - folded)
    return torch.zeros(resized, size, dtype=torch.float64).scatter_add_(1, folded, weight)


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """(N, C, H, W) of any dtype to (N, C, height, width) float64 in the same units, which may overshoot the range."""
    dtype = torch.float32 if image.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    down, across = (
        resize_matrix(size, resized).to(image.device, dtype)
        for size, resized in zip(image.shape[-2:], (height, width), strict=True)
    )
    return down @ image.to(dtype) @ across.T


def to_uint8(image: Tensor) -> Tensor:
    """Values in [0, 255] to uint8: halves rounded up as MATLAB does, overshoots clipped."""
    return (image + 0.5).floor().clamp(0, 255).to(torch.uint8)


def shrink(image: Tensor, scale: int) -> Tensor:
    """(N, C, H, W) uint8 to (N, C, H/scale, W/scale) uint8: the benchmarks' low-resolution image.

    Raises ValueError where the scale does not divide both sides.
    """
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(
            f"an image of {height} x {width} pixels cannot be shrunk by {scale}: crop it to whole multiples"
        )
    return to_uint8(resize(image, height // scale, width // scale))


def enlarge(image: Tensor, scale: int) -> Tensor:
    """(N, C, H, W) uint8 to (N, C, scale*H, scale*W) float64 in [0, 255] and a little beyond."""
    return resize(image, scale * image.shape[-2], scale * image.shape[-1])
