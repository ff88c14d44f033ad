"""Spectra against plane waves pushed through the layers, and against values known in closed form."""

import pytest
import torch
from torch import nn

import upsample
from upsample.algebra.spectrum import PERIOD, aliasing_ratio, imaging_ratio, power_gain


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
    random = imaging_ratio(upsample.build("deconv", 8, 8, 2, balanced=False))
    assert ratio["bilinear"] < ratio["bicubic"] < ratio["nearest"] < 0.2 < 2 < random < 4


def test_bias_has_no_part_in_the_spectrum() -> None:
    layer = nn.ConvTranspose2d(2, 2, 4, 2, 1)
    before = power_gain(as_black_box(layer))
    nn.init.constant_(layer.bias, 7)
    torch.testing.assert_close(power_gain(as_black_box(layer)), before)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose1d(2, 3, 5, stride=3, padding=1),
        nn.ConvTranspose2d(2, 3, (3, 4), stride=(1, 2)),
        nn.ConvTranspose3d(1, 2, (2, 3, 2), stride=(2, 1, 2)),
    ],
)
def test_imaging_over_any_axes_is_what_happens_to_noise(layer: nn.Module) -> None:
    """Energy in and out of the base band of what the layer makes of periodic noise, summed over noises."""
    layer, axes = layer.double(), len(layer.stride)
    torch.manual_seed(0)
    layer.reset_parameters()
    nn.init.zeros_(layer.bias)
    n = PERIOD if axes < 3 else 9
    frequency = sum(
        torch.fft.fftfreq(n, dtype=torch.float64).square().view(-1, *[1] * (axes - 1 - a)) for a in range(axes)
    )
    frequency[(0,) * axes] = torch.inf
    within = beyond = 0.0
    for channel in range(layer.in_channels):
        phases = torch.fft.fftn(torch.randn([n] * axes, dtype=torch.float64))
        noise = torch.fft.ifftn(phases / phases.abs() / frequency.sqrt()).real
        x = torch.zeros(1, layer.in_channels, *[3 * n] * axes, dtype=torch.float64)
        x[0, channel] = noise.repeat([3] * axes)
        y = layer(x)[(0, slice(None), *(slice(s * n, 2 * s * n) for s in layer.stride))]
        power = torch.fft.fftn(y, dim=[*range(1, axes + 1)]).abs().square().sum(0)
        inside = torch.ones(power.shape, dtype=torch.bool)
        for a, s in enumerate(layer.stride):
            band = (torch.fft.fftfreq(s * n, 1 / (s * n)).abs() < n / 2).view(-1, *[1] * (axes - 1 - a))
            inside = inside & band
        within, beyond = within + power[inside].sum().item(), beyond + power[~inside].sum().item()
    if axes < 3:
        assert imaging_ratio(layer) == pytest.approx(beyond / within, rel=1e-9)
    else:  # a coarser grid of frequencies
        assert imaging_ratio(layer) == pytest.approx(beyond / within, rel=0.15)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(1, 1, 1, stride=2, bias=False),
        nn.Conv2d(2, 4, (3, 5), stride=(2, 3), dilation=(1, 2), groups=2, bias=False),
        nn.Conv3d(1, 2, (1, 3, 3), stride=(1, 2, 2), bias=False),
    ],
)
def test_aliasing_is_what_folds_out_of_fine_noise(conv: nn.Module) -> None:
    """Subsampled noise from beyond the coarse grid's band, over the same from within; a circular convolution."""
    conv, axes = conv.double(), len(conv.stride)
    coarse = PERIOD if axes < 3 else 9
    shape = [coarse * s for s in conv.stride]
    frequency = sum(
        torch.fft.fftfreq(n, dtype=torch.float64).square().view(-1, *[1] * (axes - 1 - a)) for a, n in enumerate(shape)
    )
    inside = torch.ones(shape, dtype=torch.bool)
    for a, (n, s) in enumerate(zip(shape, conv.stride, strict=True)):
        inside = inside & (torch.fft.fftfreq(n, 1 / n).abs() < n / (2 * s)).view(-1, *[1] * (axes - 1 - a))
    frequency[(0,) * axes] = torch.inf
    fine = type(conv)(
        conv.in_channels, conv.out_channels, conv.kernel_size, dilation=conv.dilation, groups=conv.groups, bias=False
    )
    fine.weight = conv.weight
    energy = {}
    for part in (True, False):
        energy[part] = 0.0
        for channel in range(conv.in_channels):
            x = torch.zeros(1, conv.in_channels, *shape, dtype=torch.float64)
            # A wave of every frequency with power 1/f^2: their answers do not interfere before they are subsampled.
            spectrum = (
                torch.where(inside == part, 1 / frequency.sqrt(), 0)
                * torch.fft.fftn(torch.randn(shape, dtype=torch.float64)).sgn()
            )
            x[0, channel] = torch.fft.ifftn(spectrum).real
            reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
            wrapped = torch.nn.functional.pad(x, [v for r in reversed(reach) for v in (0, r)], mode="circular")
            energy[part] += fine(wrapped).square().sum().item()
    rel = 1e-9 if axes < 3 else 0.15
    assert aliasing_ratio(conv) == pytest.approx(energy[False] / energy[True], rel=rel)


def test_aliasing_of_filters_in_order() -> None:
    def box(size: int) -> nn.Conv2d:
        conv = nn.Conv2d(1, 1, size, stride=2, bias=False)
        nn.init.ones_(conv.weight)
        return conv

    subsample, two, four = (aliasing_ratio(box(size)) for size in (1, 2, 4))
    assert 0 < four < two < subsample < 1
