"""Balanced weights: equal phase sums before, during and after training."""

import copy
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.balance import balance_shuffle, balance_transposed

SETTINGS = [
    ("deconv", 2, {}),
    ("deconv", 2, {"kernel_size": 3}),
    ("deconv", 3, {"kernel_size": 7}),
    ("dilated_deconv", 2, {}),
    ("dilated_deconv", 2, {"kernel_size": 3, "dilation": 3}),
    ("separable_deconv", 2, {"kernel_size": 3}),
    ("separable_deconv", 3, {}),
    ("pixel_shuffle", 2, {"icnr": False}),
    ("pixel_shuffle", 3, {"icnr": False}),
]


@torch.no_grad()
def imbalance(layer: nn.Module, channels: int, scale: int) -> float:
    """sqrt(mean_r ||G_r - mean||^2) / ||mean|| of the answers to a constant 1 in each channel, inside the image."""
    constants = torch.eye(channels)[:, :, None, None].expand(-1, -1, 12, 12)
    middle = slice(6 * scale, 7 * scale)
    phases = layer(constants)[:, :, middle, middle].flatten(2).double()
    mean = phases.mean(2, keepdim=True)
    return ((phases - mean).square().sum((0, 1)).mean().sqrt() / mean.norm()).item()


def train(layer: nn.Module, channels: int) -> None:
    """200 steps towards vertical stripes, which only unequal phases can draw on a constant."""
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-2)
    x = 1 + 0.5 * torch.randn(2, channels, 8, 8, generator=torch.Generator().manual_seed(3))
    for _ in range(200):
        optimiser.zero_grad()
        y = layer(x)
        (y - torch.arange(y.shape[-1]) % 2).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize(("name", "scale", "options"), SETTINGS)
def test_no_imbalance_before_and_after_training(name: str, scale: int, options: dict[str, Any]) -> None:
    for balanced in (True, False):
        torch.manual_seed(0)
        layer = upsample.build(name, 3, 4, scale, balanced=balanced, **options)
        before = imbalance(layer, 3, scale)
        train(layer, 3)
        after = imbalance(layer, 3, scale)
        if balanced:
            assert before <= 1e-6
            assert after <= 1e-6
        else:
            assert before > 0.1
            assert after > 0.1


def test_projection_is_the_formula_tap_by_tap() -> None:
    """The nearest weights with equal sums: every tap of phase r gets (mean S - S_r) / n_r more."""
    for kernel_size, stride, dilation in [(3, 2, 1), (3, 2, 3), (4, 2, 1), (7, 3, 2), (4, 4, 1), (6, 4, 3)]:
        conv = nn.ConvTranspose2d(2, 3, kernel_size, stride, dilation=dilation).double()
        weight = conv.weight.detach().clone()
        taps = list(product(range(kernel_size), repeat=2))
        phases = list(product(range(stride), repeat=2))
        members = {r: [t for t in taps if tuple(dilation * k % stride for k in t) == r] for r in phases}
        sums = {r: sum(weight[:, :, k, m] for k, m in members[r]) for r in phases}
        # Each phase's correction costs |mean S - S_r|^2 / n_r, so the common sum is the mean weighted by 1 / n_r.
        shares = {r: 1 / len(members[r]) for r in phases}
        mean = sum(shares[r] * sums[r] for r in phases) / sum(shares.values())
        expected = weight.clone()
        for r in phases:
            for k, m in members[r]:
                expected[:, :, k, m] += (mean - sums[r]) / len(members[r])
        balance_transposed(conv)
        assert torch.allclose(conv.weight, expected, rtol=1e-12, atol=1e-12)
        conv.weight = expected
        assert torch.allclose(conv.weight, expected, rtol=1e-12, atol=1e-12)


RAMPS = [
    ("deconv", 2, {}),
    ("deconv", 2, {"kernel_size": 3}),
    ("deconv", 2, {"kernel_size": 5}),
    ("deconv", 3, {"kernel_size": 7}),
    ("deconv", 4, {}),
    ("dilated_deconv", 2, {}),
    ("dilated_deconv", 2, {"kernel_size": 3, "dilation": 5}),
    ("separable_deconv", 2, {}),
    ("pixel_shuffle", 2, {"icnr": False}),
    ("pixel_shuffle", 3, {"icnr": False, "kernel_size": 5}),
]


@torch.no_grad()
def departures(layer: nn.Module, channels: int, scale: int) -> tuple[float, float]:
    """How far answers to constants, and to ramps down, across and both, are from constants and ramps, relatively.

    A ramp's answer is one where second differences vanish, away from the border.
    """
    size, middle = 24, slice(10 * scale, 14 * scale)
    down = torch.arange(size, dtype=torch.float64)
    fields = torch.stack([torch.ones(size, size).double(), down[:, None].expand(size, size), down.expand(size, size)])
    fields = torch.cat([fields, (2 * fields[1] - 3 * fields[2])[None]])
    found = []
    for number, field in enumerate(fields):
        x = torch.zeros(channels, channels, size, size, dtype=torch.float64)
        x[range(channels), range(channels)] = field
        y = layer(x)[..., middle, middle]
        if number == 0:
            found.append((y - y.mean((2, 3), keepdim=True)).abs().max() / y.abs().max())
        else:
            bends = [y.diff(n=2, dim=2), y.diff(n=2, dim=3), y.diff(dim=2).diff(dim=3)]
            found.append(max(b.abs().max() for b in bends) / y.diff(dim=2).abs().max().clamp(min=1e-3))
    return found[0].item(), max(found[1:]).item()


@pytest.mark.parametrize(("name", "scale", "options"), RAMPS)
def test_order_two_answers_ramps_with_ramps_and_order_one_does_not(
    name: str, scale: int, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    for order in (2, True):
        layer = upsample.build(name, 4, 4, scale, balanced=order, **options).double()
        train(layer.float(), 4)
        constant, ramp = departures(layer.double(), 4, scale)
        assert constant < 1e-6
        assert (ramp < 1e-5) == (order == 2)


@pytest.mark.parametrize("scale", [2, 3])
def test_order_two_slopes_are_the_gain_over_the_scale(scale: int) -> None:
    """y = (o * S - M) / s: on a ramp of slope 1 each output channel's slope is its answer to a constant over s."""
    layer = upsample.build("deconv", 1, 3, scale, balanced=2, bias=False).double()
    ramp = torch.arange(16, dtype=torch.float64).expand(1, 1, 16, 16)
    middle = slice(7 * scale, 9 * scale)
    gain = layer(torch.ones_like(ramp))[0, :, middle, middle].mean((1, 2))
    slope = layer(ramp)[0, :, middle, middle].diff(dim=2).mean((1, 2))
    torch.testing.assert_close(slope, gain / scale, rtol=1e-6, atol=1e-9)


def test_bilinear_is_of_order_two_and_nearest_of_order_one() -> None:
    """Known kernels: the projection leaves those alone that keep its conditions."""
    hat, box = torch.tensor([1.0, 3, 3, 1]) / 4, torch.tensor([0.0, 1, 1, 0])
    for order in (1, 2):
        for axis in (hat, box):
            conv = nn.ConvTranspose2d(1, 1, 4, 2, 1)
            balance_transposed(conv, order)
            kernel = torch.outer(axis, axis)[None, None]
            conv.weight = kernel
            kept = torch.allclose(conv.weight, kernel, atol=1e-6)
            assert kept == (order == 1 or axis is hat)


@pytest.mark.parametrize(
    "conv",
    [
        nn.ConvTranspose1d(2, 3, 5, 2, dilation=3),
        nn.ConvTranspose2d(2, 3, (3, 6), (1, 3)),
        nn.ConvTranspose3d(2, 4, (1, 3, 4), (1, 2, 2), groups=2),
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_one_two_and_three_axes(conv: Any, order: int) -> None:
    conv = copy.deepcopy(conv).double()
    balance_transposed(conv, order)
    assert upsample.phase_imbalance(conv) < 1e-9
    axes = len(conv.stride)
    for axis in range(axes):
        shape = [-1 if a == axis else 1 for a in range(axes)]
        x = torch.arange(20.0).double().view(shape).expand(1, 2, *[20] * axes)
        y = conv(x)[(..., *(slice(9 * s, 14 * s) for s in conv.stride))]
        bends = y.diff(n=2, dim=2 + axis)
        assert (bends.abs().max() < 1e-9) == (order == 2 or conv.stride[axis] == 1)


def test_it_stays_exact_in_any_precision() -> None:
    layer = upsample.build("deconv", 3, 4, 2, balanced=2).to(torch.bfloat16).float()
    with torch.autocast("cpu", torch.bfloat16):
        weight = layer.conv.weight
    sums = weight.detach().double().unflatten(3, (2, 2)).unflatten(2, (2, 2)).sum((2, 4))
    assert (sums - sums.mean((2, 3), keepdim=True)).abs().max() < 1e-6


def test_pixel_shuffle_ties_its_bias() -> None:
    layer = upsample.build("pixel_shuffle", 3, 4, 2, icnr=False, balanced=True)
    bias = layer.conv.bias.unflatten(0, (4, 4))
    assert torch.allclose(bias, bias[:, :1].expand(-1, 4), atol=1e-7)
    assert bias[:, 0].std() > 0.01


@pytest.mark.parametrize("order", [1, 2])
def test_gradients(order: int) -> None:
    conv, shuffled = nn.ConvTranspose2d(2, 2, 3, 2).double(), nn.Conv2d(2, 8, 3, padding=1).double()
    balance_transposed(conv, order)
    balance_shuffle(shuffled, 2, order)
    for module, name in ((conv, "weight"), (shuffled, "weight"), (shuffled, "bias")):
        projection = module.parametrizations[name][0]
        weight = module.parametrizations[name].original.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(projection, weight)


def test_assigned_weights_are_projected() -> None:
    layer = upsample.build("deconv", 3, 4, 2, kernel_size=3, balanced=True)
    layer.conv.weight = torch.ones(3, 4, 3, 3)
    assert imbalance(layer, 3, 2) <= 1e-6


@pytest.mark.parametrize("options", [{"kernel_size": 1}, {"kernel_size": 3, "dilation": 2}])
def test_holes_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="balanced needs a kernel without holes"):
        upsample.build("deconv", 3, 4, 2, allow_holes=True, balanced=True, **options)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("deconv", {"kernel_size": 2}, "balanced=2 needs kernel_size >= 3 at stride 2, not 2"),
        ("dilated_deconv", {"kernel_size": 4, "scale": 3}, "balanced=2 needs kernel_size >= 5 at stride 3, not 4"),
        ("pixel_shuffle", {"kernel_size": 1}, "balanced=2 needs kernel_size >= 2"),
        ("deconv", {"balanced": 3}, "balanced must be true or false or 2, not 3"),
    ],
)
def test_kernels_too_short_for_ramps_are_refused(name: str, options: dict[str, Any], sentence: str) -> None:
    options = {"balanced": 2, "scale": 2, **options}
    with pytest.raises(ValueError, match=sentence):
        upsample.build(name, 3, 4, **options)
