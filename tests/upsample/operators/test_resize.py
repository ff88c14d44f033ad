from itertools import product
from math import floor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import upsample


def cubic(t: float, a: float = -0.75) -> float:
    """Keys' kernel (1981, eq. 15) with torch's a."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def linear(t: float) -> float:
    return max(0.0, 1 - abs(t))


def literal(x: Tensor, scale: int, kernel: Any) -> Tensor:
    """Every output pixel is the kernel-weighted sum over the input, half-pixel centres, indices clamped."""
    height, width = x.shape[2:]
    y = x.new_zeros(*x.shape[:2], scale * height, scale * width)
    for row, column in product(range(y.shape[2]), range(y.shape[3])):
        v, u = (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5
        for i, j in product(range(floor(v) - 1, floor(v) + 3), range(floor(u) - 1, floor(u) + 3)):
            pixel = x[:, :, min(max(i, 0), height - 1), min(max(j, 0), width - 1)]
            y[:, :, row, column] += kernel(v - i) * kernel(u - j) * pixel
    return y


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("name", "kernel"), [("bilinear", linear), ("bicubic", cubic)])
def test_interpolation_equals_the_kernel_sum(name: str, kernel: Any, scale: int) -> None:
    x = torch.randn(2, 3, 4, 3, dtype=torch.float64)
    assert torch.allclose(upsample.build(name, 3, 3, scale)(x), literal(x, scale, kernel), atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_nearest_makes_blocks(scale: int) -> None:
    x = torch.randn(2, 3, 4, 3)
    assert torch.equal(upsample.build("nearest", 3, 3, scale)(x), torch.kron(x, torch.ones(scale, scale)))


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic"])
def test_fixed_operators_learn_only_a_projection(name: str) -> None:
    assert not list(upsample.build(name, 3, 3, 2).parameters())
    layer = upsample.build(name, 3, 5, 2)
    x = torch.randn(2, 3, 4, 3)
    after = layer.project(upsample.build(name, 3, 3, 2)(x))  # the other order, which the layer avoids for its cost
    assert torch.allclose(layer(x), after, atol=1e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
def test_resize_conv_is_a_resize_then_a_convolution(mode: str, padding_mode: str) -> None:
    layer = upsample.build("resize_conv", 3, 2, 2, mode=mode, padding_mode=padding_mode)
    x = torch.randn(2, 3, 4, 5)
    large = F.pad(
        upsample.build(mode, 3, 3, 2)(x), [1] * 4, mode="constant" if padding_mode == "zeros" else padding_mode
    )
    assert torch.allclose(layer(x), F.conv2d(large, layer.conv.weight, layer.conv.bias), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"mode": "linear"}, "mode must be"), ({"kernel_size": 4}, "odd"), ({"padding_mode": "zero"}, "padding_mode")],
)
def test_what_resize_conv_refuses(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        upsample.build("resize_conv", 3, 2, 2, **options)
