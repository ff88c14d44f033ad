"""Spectra against plane waves pushed through the layers, and against values known in closed form."""

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.spectrum import PERIOD, imaging_ratio, power_gain


def as_black_box(layer: nn.Module) -> nn.Module:
    return nn.Sequential(layer, nn.Identity())


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1),
        nn.ConvTranspose2d(4, 6, 5, stride=3, dilation=2, padding=2, groups=2),
        nn.ConvTranspose2d(2, 2, 3, stride=2, padding=2, dilation=2),
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2)),
    ],
)
def test_known_weights_and_black_box_agree(layer: nn.Module) -> None:
    torch.testing.assert_close(power_gain(layer), power_gain(as_black_box(layer)), rtol=1e-9, atol=1e-9)
    assert imaging_ratio(layer) == pytest.approx(imaging_ratio(as_black_box(layer)), rel=1e-9)


def test_gain_is_what_happens_to_a_plane_wave() -> None:
    layer = nn.ConvTranspose2d(1, 2, (3, 5), stride=2, padding=1, bias=False).double()
    row, column = 4, -7  # cycles per 31 input pixels, also the base-band cycles per 62 output pixels
    place = torch.arange(-8, PERIOD + 8, dtype=torch.float64)
    phase = 2 * torch.pi * (row * place[:, None] + column * place) / PERIOD
    real, imaginary = (layer(wave[None, None])[0, :, 16:78, 16:78] for wave in (phase.cos(), phase.sin()))
    answer = torch.fft.fft2(torch.complex(real, imaginary)) / PERIOD**2
    expected = answer.abs().square().sum(0)
    at = [(row + a * PERIOD, column + b * PERIOD) for a in (0, 1) for b in (0, 1)]  # the wave and its images
    gain = power_gain(layer)
    for r, c in at:
        assert gain[r, c].item() == pytest.approx(expected[r, c].item(), rel=1e-9)
    assert expected.sum().item() == pytest.approx(sum(expected[r, c].item() for r, c in at), rel=1e-9)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_inserting_zeros_leaves_every_image_at_full_strength(stride: int) -> None:
    layer = nn.ConvTranspose2d(1, 1, 1, stride=stride, output_padding=stride - 1, bias=False)
    assert imaging_ratio(layer) == pytest.approx(stride**2 - 1)


@pytest.mark.parametrize("scale", [2, 3])
def test_nearest_is_a_box_in_closed_form(scale: int) -> None:
    """|H|^2 of a box of width s is the Dirichlet kernel squared along each axis."""
    v = torch.arange(scale * PERIOD, dtype=torch.float64) / (scale * PERIOD)
    kernel = (torch.sin(torch.pi * scale * v) / torch.sin(torch.pi * v)).square()
    kernel[0] = scale**2
    torch.testing.assert_close(power_gain(upsample.build("nearest", 1, 1, scale)), torch.outer(kernel, kernel))


def test_smoother_interpolation_has_weaker_images() -> None:
    ratio = {name: imaging_ratio(upsample.build(name, 4, 4, 2), 4) for name in ("nearest", "bilinear", "bicubic")}
    random = imaging_ratio(upsample.build("deconv", 8, 8, 2))
    assert ratio["bilinear"] < ratio["bicubic"] < ratio["nearest"] < 0.2 < 2 < random < 4


def test_bias_has_no_part_in_the_spectrum() -> None:
    layer = nn.ConvTranspose2d(2, 2, 4, 2, 1)
    before = power_gain(as_black_box(layer))
    nn.init.constant_(layer.bias, 7)
    torch.testing.assert_close(power_gain(as_black_box(layer)), before)


def test_unequal_strides_are_refused() -> None:
    with pytest.raises(ValueError, match="2 down and 1 across"):
        imaging_ratio(nn.ConvTranspose2d(1, 1, 3, stride=(2, 1)))
