from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import upsample


def literal(layer: Any, x: Tensor, scale: int, style: str, groups: int) -> Tensor:
    """Liu et al. (2023), equations 1 to 5, pixel by pixel: offset, scope, position, four-pixel bilinear sample."""

    def linear(conv: Any, pixel: Tensor) -> Tensor:
        return conv.weight[:, :, 0, 0] @ pixel + (0 if conv.bias is None else conv.bias)

    features = layer.project(x)
    batch, channels, height, width = features.shape
    y = features.new_zeros(batch, channels, scale * height, scale * width)
    share = channels // groups
    for n, row, column in product(range(batch), range(scale * height), range(scale * width)):
        phase = row % scale * scale + column % scale
        pixel = x[n, :, row // scale, column // scale]
        pick = slice(phase, None, scale**2)  # a pixel shuffle gives this output pixel every scale**2-th channel
        if style == "pl":
            raw, scope = (None if c is None else linear(c, pixel[pick]) for c in (layer.offset, layer.scope))
        else:
            raw, scope = (None if c is None else linear(c, pixel)[pick] for c in (layer.offset, layer.scope))
        offset = raw * (0.25 if scope is None else 0.5 * torch.sigmoid(scope))
        for group in range(groups):
            u = (column + 0.5) / scale - 0.5 + offset[group]
            v = (row + 0.5) / scale - 0.5 + offset[groups + group]
            u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
            j, i = min(int(u), max(width - 2, 0)), min(int(v), max(height - 2, 0))
            part = features[n, group * share : (group + 1) * share]
            for di, dj in product(range(min(2, height)), range(min(2, width))):
                weight = (1 - (v - i - di).abs()) * (1 - (u - j - dj).abs())
                y[n, group * share : (group + 1) * share, row, column] += weight * part[:, i + di, j + dj]
    return y


@pytest.mark.parametrize("dynamic_scope", [False, True])
@pytest.mark.parametrize(
    ("style", "scale", "groups", "channels"), [("lp", 2, 4, (4, 8)), ("lp", 3, 1, (3, 3)), ("pl", 2, 2, (8, 4))]
)
def test_equals_its_formula_and_gradients(
    style: str, scale: int, groups: int, channels: tuple[int, int], dynamic_scope: Any
) -> None:
    torch.manual_seed(0)
    layer = upsample.build("dysample", *channels, scale, style=style, groups=groups, dynamic_scope=dynamic_scope)
    layer = layer.double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if not name.startswith("project"):
                parameter.normal_(std=2)  # offsets of several pixels, some of them beyond the border
    x = torch.randn(1, channels[0], 3, 4, dtype=torch.float64, requires_grad=True)
    y, expected = layer(x), literal(layer, x, scale, style, groups)
    assert torch.allclose(y, expected, atol=1e-10)
    inputs, gradient = (x, *layer.parameters()), torch.randn_like(y)
    found = torch.autograd.grad(y, inputs, gradient)
    for one, other in zip(found, torch.autograd.grad(expected, inputs, gradient), strict=True):
        assert torch.allclose(one, other, atol=1e-8)


@pytest.mark.parametrize(("options", "count"), [({}, 8224), ({"style": "pl"}, 520), ({"dynamic_scope": True}, 16416)])
def test_parameter_counts_at_256_channels(options: dict[str, Any], count: int) -> None:
    layer = upsample.build("dysample", 256, 256, 2, **options)
    assert sum(parameter.numel() for parameter in layer.parameters()) == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_zero_offsets_are_bilinear(scale: int) -> None:
    layer = upsample.build("dysample", 8, 8, scale)
    with torch.no_grad():
        layer.offset.weight.zero_()
    x = torch.randn(2, 8, 5, 33)
    assert torch.allclose(layer(x), F.interpolate(x, scale_factor=scale, mode="bilinear"), atol=1e-5)
    x = x.double()
    assert torch.allclose(layer.double()(x), F.interpolate(x, scale_factor=scale, mode="bilinear"), atol=1e-12)


def test_starts_close_to_bilinear() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 64, 8, 8)
    start = upsample.build("dysample", 64, 64, 2, dynamic_scope=True)(x)
    assert torch.allclose(start, F.interpolate(x, scale_factor=2, mode="bilinear"), atol=0.05)


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(ValueError, match="lp or pl"):
        upsample.build("dysample", 8, 8, 2, style="l")
