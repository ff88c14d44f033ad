"""Where a lit pixel shows, against what is known of the layers."""

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.footprint import counts_of, footprint, footprint_of, overlap_map
from upsample.algebra.polyphase import polyphase
from upsample.algebra.response import measured_polyphase
from upsample.pages.alone import Alone


@pytest.mark.parametrize(("k", "s", "d"), [(3, 2, 1), (4, 2, 3), (3, 2, 2), (4, 3, 2), (2, 3, 1)])
def test_overlap_map_of_a_transposed_convolution_is_its_overlap(k: int, s: int, d: int) -> None:
    layer = nn.ConvTranspose2d(2, 3, k, s, dilation=d)
    taps = torch.tensor(upsample.overlap(k, s, d).taps[0])
    assert torch.equal(overlap_map(layer, 2, 3), torch.outer(taps, taps).repeat(3, 3))
    assert torch.equal(counts_of(polyphase(layer)), torch.outer(taps, taps))


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


@pytest.mark.parametrize(
    "name", ["bilinear", "resize_conv", "dilated_deconv", "pixel_shuffle", "learned_interpolation"]
)
def test_known_phases_tell_what_probing_finds(name: str) -> None:
    module = upsample.build(name, 4, 4, 2)
    parts = measured_polyphase(module, 4)
    assert parts is not None
    torch.testing.assert_close(footprint_of(parts), footprint(module, 4), rtol=1e-6, atol=1e-9)
    assert torch.equal(counts_of(parts).repeat(2, 2), overlap_map(module, 4, 2))
