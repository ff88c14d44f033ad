"""Balanced weights: equal phase sums before, during and after training."""

from itertools import product

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.balance import BalancedShuffle, BalancedTaps

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
def test_no_imbalance_before_and_after_training(name, scale, options):
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


def test_projection_is_the_formula_tap_by_tap():
    for kernel_size, stride, dilation in [(3, 2, 1), (3, 2, 3), (4, 2, 1), (7, 3, 2), (4, 4, 1), (6, 4, 3)]:
        weight = torch.randn(2, 3, kernel_size, kernel_size, dtype=torch.float64)
        taps = list(product(range(kernel_size), repeat=2))
        phases = list(product(range(stride), repeat=2))
        members = {r: [t for t in taps if tuple(dilation * k % stride for k in t) == r] for r in phases}
        sums = {r: sum(weight[:, :, k, m] for k, m in members[r]) for r in phases}
        mean = sum(sums.values()) / len(phases)
        expected = weight.clone()
        for r in phases:
            for k, m in members[r]:
                expected[:, :, k, m] += (mean - sums[r]) / len(members[r])
        projection = BalancedTaps(kernel_size, stride).double()
        assert torch.allclose(projection(weight), expected, rtol=1e-12, atol=1e-12)
        assert torch.allclose(projection(expected), expected, rtol=1e-12, atol=1e-12)


def test_pixel_shuffle_ties_its_bias():
    layer = upsample.build("pixel_shuffle", 3, 4, 2, icnr=False, balanced=True)
    bias = layer.conv.bias.unflatten(0, (4, 4))
    assert torch.allclose(bias, bias[:, :1].expand(-1, 4), atol=1e-7)
    assert bias[:, 0].std() > 0.01


@pytest.mark.parametrize(
    ("projection", "shape"),
    [(BalancedTaps(3, 2), (2, 2, 3, 3)), (BalancedShuffle(4), (8, 2, 3, 3)), (BalancedShuffle(4), (8,))],
)
def test_gradients(projection, shape):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(projection.double(), weight)


def test_assigned_weights_are_projected():
    layer = upsample.build("deconv", 3, 4, 2, kernel_size=3, balanced=True)
    layer.conv.weight = torch.ones(3, 4, 3, 3)
    assert imbalance(layer, 3, 2) <= 1e-6


@pytest.mark.parametrize("options", [{"kernel_size": 1}, {"kernel_size": 3, "dilation": 2}])
def test_holes_are_refused(options):
    with pytest.raises(ValueError, match=r"balanced=true needs a kernel without holes"):
        upsample.build("deconv", 3, 4, 2, allow_holes=True, balanced=True, **options)
