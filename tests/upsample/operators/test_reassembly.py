"""CARAFE and SAPA against their formulas written out pixel by pixel, and what they keep in memory."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import upsample


def literal_carafe(layer: Any, x: Tensor, scale: int, window: int, groups: int) -> Tensor:
    """Wang et al. (2019), equations 1 to 4: kernels by encoder and softmax, then the weighted sum, pixel by pixel."""
    features, encoded = layer.project(x), layer.encode(layer.compress(x))
    batch, channels, height, width = features.shape
    y = features.new_zeros(batch, channels, scale * height, scale * width)
    radius, share = window // 2, channels // groups
    for n, group, row, column in product(range(batch), range(groups), range(scale * height), range(scale * width)):
        i, j, phase = row // scale, column // scale, row % scale * scale + column % scale
        # A pixel shuffle of the encoder's channels leaves k_up**2 of them per group at each output pixel.
        logits = [encoded[n, (group * window**2 + tap) * scale**2 + phase, i, j] for tap in range(window**2)]
        weights = torch.stack(logits).exp()
        weights = weights / weights.sum()
        for tap, (dy, dx) in enumerate(product(range(-radius, radius + 1), repeat=2)):
            if 0 <= i + dy < height and 0 <= j + dx < width:
                part = slice(group * share, (group + 1) * share)
                y[n, part, row, column] += weights[tap] * features[n, part, i + dy, j + dx]
    return y


@pytest.mark.parametrize(
    ("scale", "window", "groups", "out_channels"), [(2, 5, 1, 4), (3, 3, 2, 4), (2, 3, 3, 6), (4, 5, 1, 2)]
)
def test_carafe_equals_its_formula_and_gradients(scale: int, window: int, groups: int, out_channels: int) -> None:
    torch.manual_seed(0)
    layer = upsample.build("carafe", 4, out_channels, scale, up_kernel=window, mid_channels=5, groups=groups).double()
    with torch.no_grad():
        layer.encode.weight.mul_(300)  # far from the nearly equal weights of the start
    x = torch.randn(1, 4, 4, 3, dtype=torch.float64, requires_grad=True)
    y, expected = layer(x), literal_carafe(layer, x, scale, window, groups)
    assert torch.allclose(y, expected, atol=1e-12)
    inputs, gradient = (x, *layer.parameters()), torch.randn_like(y)
    found = torch.autograd.grad(y, inputs, gradient)
    for one, other in zip(found, torch.autograd.grad(expected, inputs, gradient), strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_carafe_starts_as_a_mean_of_its_window() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 7, 7)
    mean = F.interpolate(F.avg_pool2d(x, 5, 1, 2), scale_factor=2)
    assert torch.allclose(upsample.build("carafe", 8, 8, 2)(x), mean, atol=0.02)


def literal_sapa(layer: Any, x: Tensor, skip: Tensor, scale: int, window: int) -> Tensor:
    """Lu et al. (2022), section 4: softmax over the window of <query(skip pixel), key(x pixel)>, pixel by pixel."""

    def embed(pixel: Tensor, norm: Any, linear: Any) -> Tensor:
        whitened = (pixel - pixel.mean()) / (pixel.var(correction=0) + norm.eps).sqrt() * norm.weight
        whitened = whitened if norm.bias is None else whitened + norm.bias
        return linear.weight @ whitened + (0 if linear.bias is None else linear.bias)

    values = layer.project(x)
    batch, _, height, width = x.shape
    y = values.new_zeros(batch, values.shape[1], scale * height, scale * width)
    offsets = list(product(range(-(window // 2), window // 2 + 1), repeat=2))
    for n, row, column in product(range(batch), range(scale * height), range(scale * width)):
        query = embed(skip[n, :, row, column], layer.norm_query, layer.query)
        near = [
            (min(max(row // scale + dy, 0), height - 1), min(max(column // scale + dx, 0), width - 1))
            for dy, dx in offsets
        ]
        keys = [embed(x[n, :, i, j], layer.norm_key, layer.key) for i, j in near]
        weights = torch.stack([query @ key for key in keys]).exp()
        weights = weights / weights.sum()
        y[n, :, row, column] = sum(weight * values[n, :, i, j] for weight, (i, j) in zip(weights, near, strict=True))
    return y


@pytest.mark.parametrize(("scale", "window", "out_channels"), [(2, 5, 4), (3, 3, 2)])
def test_sapa_equals_its_formula_and_gradients(scale: int, window: int, out_channels: int) -> None:
    torch.manual_seed(0)
    layer = upsample.build("sapa", 4, out_channels, scale, skip_channels=3, window_size=window, embedding=6).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(1, 3, 3 * scale, 4 * scale, dtype=torch.float64, requires_grad=True)
    y, expected = layer(x, skip), literal_sapa(layer, x, skip, scale, window)
    assert torch.allclose(y, expected, atol=1e-12)
    inputs, gradient = (x, skip, *layer.parameters()), torch.randn_like(y)
    found = torch.autograd.grad(y, inputs, gradient)
    for one, other in zip(found, torch.autograd.grad(expected, inputs, gradient), strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_sapa_keeps_constants_up_to_the_border() -> None:
    layer = upsample.build("sapa", 4, 4, 2, skip_channels=3)
    assert torch.allclose(layer(torch.ones(1, 4, 3, 3), torch.randn(1, 3, 6, 6)), torch.ones(1, 4, 6, 6), atol=1e-6)


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that any operation, forward or backward, returns."""

    elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


@pytest.mark.parametrize("name", ["carafe", "sapa"])
def test_memory_holds_no_unfolded_features(name: str) -> None:
    channels, scale, size = 64, 2, 16
    layer = upsample.build(name, channels, channels, scale, skip_channels=8)
    x = torch.randn(1, channels, size, size, requires_grad=True)
    skip = torch.randn(1, 8, scale * size, scale * size)
    kept: dict[int, int] = {}  # storage -> bytes that autograd keeps for the backward pass

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = layer(x, skip)
        y.sum().backward()
    enlarged = y.numel()  # C * sH * sW
    assert largest.elements <= 2 * enlarged  # unfolded: 25 * enlarged
    assert sum(kept.values()) / 4 <= 6 * enlarged
