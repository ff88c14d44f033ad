"""Probes against what is known of the layers they probe."""

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.response import Alone, footprint, frozen, overlap_map, scale_of


@pytest.mark.parametrize("name", upsample.available())
def test_every_operator_can_be_fed_alone(name: str) -> None:
    module = Alone(name, 16, 16, 2)
    assert scale_of(frozen(module), 16) == 2
    assert module(torch.randn(2, 16, 3, 5)).shape == (2, 16, 6, 10)


@pytest.mark.parametrize(("k", "s", "d"), [(3, 2, 1), (4, 2, 3), (3, 2, 2), (4, 3, 2), (2, 3, 1)])
def test_overlap_map_of_a_transposed_convolution_is_its_overlap(k: int, s: int, d: int) -> None:
    layer = nn.ConvTranspose2d(2, 3, k, s, dilation=d)
    taps = torch.tensor(upsample.overlap(k, s, d).taps)
    assert torch.equal(overlap_map(layer, 2, 3), torch.outer(taps, taps).repeat(3, 3))


def test_footprint_is_the_kernel_of_a_linear_layer() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=2, dilation=2)
    expected = torch.zeros(6, 6, dtype=torch.float64)
    expected[::2, ::2] = layer.weight.double().square().sum((0, 1)).sqrt()  # taps at -2, 0, 2 of the lit block
    torch.testing.assert_close(footprint(layer, 2), expected, rtol=1e-8, atol=0)


def test_bilinear_reaches_four_pixels_and_unpooling_leaves_three_quarters_empty() -> None:
    assert overlap_map(upsample.build("bilinear", 1, 1, 2), 1, 4).eq(4).all()
    empty = overlap_map(Alone("unpool", 8, 8, 2), 8, 4) == 0
    assert empty.double().mean() == 0.75
    assert empty.unfold(0, 2, 2).unfold(1, 2, 2).sum((2, 3)).eq(3).all()


def test_a_wide_layer_is_probed_wide_enough() -> None:
    layer = nn.ConvTranspose2d(1, 1, 9, stride=2, dilation=5, padding=19)
    assert len(footprint(layer, 1)) == 2 * (2 * 10 + 1)
    assert (
        overlap_map(layer, 1, 2).tolist()
        == torch.outer(*[torch.tensor([5, 4, 5, 4])] * 2).roll((1, 1), (0, 1)).tolist()
    )
