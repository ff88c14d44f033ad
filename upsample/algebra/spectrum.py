"""What a layer does to each frequency: how much of what it makes is spectral images, or aliases.

Enlarging the grid by s repeats the input's spectrum prod(s) times across the output's band: a signal at
f (cycles per input pixel) also appears at every (f + m)/s cycles per output pixel, m in {0..s-1} on each
axis. The copy m = 0 is the image itself; the others are "images" that a good interpolator suppresses.
A strided convolution is the transpose: of the fine grid's band, what lies beyond the coarse grid's folds
back into it, and a good one suppresses that first.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from upsample.algebra.footprint import footprint
from upsample.algebra.polyphase import TRANSPOSED, Convolution, Place, Polyphase, polyphase
from upsample.algebra.response import axes_of, frozen, input_channels, phases_of, scale_of

# Coarse pixels per period of the test signal. Odd, so that no frequency lies on the edge of the base band.
PERIOD = 31


def power_gain(layer: nn.Module, in_channels: int | None = None) -> Tensor:
    """Sum over channels of |H|^2 at every output frequency, float64 of 31*s along each axis, in torch.fft order.

    H(v) is the answer at v cycles per output pixel to a unit wave of the frequency that v aliases to.
    Where the layer's phases are known or measurable H is their Fourier transform; a layer whose answer
    depends on the content is fed 1/f noise in one channel at a time, periodic over 31 pixels, and its
    answer to zeros subtracted: what it does to such noise. Such a layer is one of images.
    Raises ValueError where the module cannot be fed.
    """
    parts = phases_of(layer, in_channels)
    return _measured_gain(layer, in_channels) if parts is None else gain_of(parts)


def gain_of(parts: Polyphase) -> Tensor:
    """`power_gain` of a layer whose phases are known."""
    places = [place for r in parts.phases for place in parts.landings(r)]
    taps = [part.kernel.cpu().double().flatten(2).flatten(0, 1) for part in parts.phases.values()]
    matrix = torch.cat(taps, 1)  # (out * in/groups, taps)
    # |H|^2 is the transform of the kernel's autocorrelation, in which the channels are summed once and for all.
    gram, place = matrix.T @ matrix, torch.tensor(places)
    shape = torch.tensor([PERIOD * s for s in parts.stride])
    apart = (place[:, None] - place) % shape
    correlation = torch.zeros(shape.tolist(), dtype=torch.float64)
    correlation.index_put_(apart.unbind(-1), gram, accumulate=True)
    return torch.fft.fftn(correlation).real.clamp(min=0)


@torch.no_grad()
def _measured_gain(layer: nn.Module, in_channels: int | None) -> Tensor:
    module = frozen(layer)
    if axes_of(module) != 2:
        raise ValueError(
            f"the spectrum of {type(layer).__name__} depends on the content, which is measured on images only"
        )
    channels = input_channels(module) if in_channels is None else in_channels
    scale = scale_of(module, channels, 2)
    noise = _pink_noise()
    margin = len(footprint(module, channels)) // scale[0] // 2  # keeps the border out of what is measured
    around = torch.arange(-margin, PERIOD + margin) % PERIOD
    inner = tuple(slice(s * margin, s * (margin + PERIOD)) for s in scale)
    x = noise.new_zeros(1, channels, len(around), len(around))
    still = module(x)
    power = torch.zeros([s * PERIOD for s in scale], dtype=torch.float64)
    for channel in range(channels):
        x.zero_()[0, channel] = noise[around][:, around]
        answer = (module(x) - still)[0, :, *inner]
        power += torch.fft.fft2(answer).abs().square().sum(0)
    return power / torch.fft.fft2(noise).abs().square().repeat(*scale)


def _pink_noise() -> Tensor:
    """(31, 31) float64 of unit variance, amplitude 1/f at every frequency and random phases (seed 0)."""
    spectrum = torch.fft.fft2(torch.randn(PERIOD, PERIOD, generator=torch.Generator().manual_seed(0)).double())
    noise = torch.fft.ifft2(spectrum / spectrum.abs() * _natural_power([PERIOD] * 2).sqrt()).real
    return noise / noise.std()


def _natural_power(shape: Sequence[int]) -> Tensor:
    """1/f^2 in torch.fft order, the power of natural images (Field 1987), f in cycles per pixel; finite at 0."""
    squared = torch.zeros(1, dtype=torch.float64)
    for n in shape:
        squared = squared[..., None] + torch.fft.fftfreq(n, dtype=torch.float64).square()
    squared = squared[0]
    return 1 / torch.where(squared > 0, squared, squared[squared > 0].min())


def imaging_ratio(layer: nn.Module, in_channels: int | None = None) -> float:
    """Energy of the spectral images over the energy of the base band, for an input of power 1/f^2.

        sum_{m != 0} sum_f |H((f + m)/s)|^2 / |f|^2   over   sum_f |H(f/s)|^2 / |f|^2

    with f over the non-zero frequencies of an input of 31 pixels along each axis and |H|^2 from `power_gain`,
    which also says how a layer whose weights are not known is measured. 0 is ideal interpolation, and
    inserting zeros (every image at full strength) is prod(s) - 1. The images of f = 0 are left to
    `phase_imbalance`.
    """
    return imaging_of(power_gain(layer, in_channels))


def imaging_of(gain: Tensor) -> float:
    """`imaging_ratio` from what `power_gain` returned."""
    stride = [n // PERIOD for n in gain.shape]
    power = gain * _natural_power([PERIOD] * len(stride)).repeat(*stride)
    power[tuple(slice(None, None, PERIOD) for _ in stride)] = 0
    within = _base_band(power, stride).sum()
    return ((power.sum() - within) / within).item()


def aliasing_ratio(conv: Convolution) -> float:
    """Energy that a strided convolution folds into its output from beyond the base band, over what it keeps of it.

        sum_{v outside} |H(v)|^2 / |v|^2   over   sum_{v inside, v != 0} |H(v)|^2 / |v|^2

    for an input of power 1/f^2 on its own, fine grid of 31*s pixels along each axis; v in cycles per fine
    pixel, inside where |v| < 1/(2 s) along every axis. 0 is an ideal anti-aliasing filter. Subsampling
    alone by 2 along both axes of an image gives 0.21. Raises ValueError for weights on the meta device.
    """
    if conv.weight.is_meta:
        raise ValueError("the weights are on the meta device: there are no values to read")
    return aliasing_of(gain_of(polyphase(gradient_of(conv))), conv.stride)


def aliasing_of(gain: Tensor, stride: Place) -> float:
    """`aliasing_ratio` from the power gain of the gradient, of PERIOD * stride frequencies along each axis."""
    power = gain * _natural_power(gain.shape)
    power[*[0] * power.dim()] = 0
    within = _base_band(power, stride).sum()
    return ((power.sum() - within) / within).item()


def gradient_of(conv: Convolution) -> nn.Module:
    """The transposed convolution of the same weights, which torch stores in the same order: the gradient's layer."""
    layer = TRANSPOSED[len(conv.stride)](
        conv.out_channels,
        conv.in_channels,
        conv.kernel_size,  # type: ignore[arg-type]  # one number per axis
        stride=conv.stride,  # type: ignore[arg-type]
        dilation=conv.dilation,  # type: ignore[arg-type]
        groups=conv.groups,
        bias=False,
        device="meta",
    )
    layer.weight = nn.Parameter(conv.weight.detach())
    return layer


def _base_band(power: Tensor, stride: Sequence[int]) -> Tensor:
    """The part of a spectrum over all frequencies of the fine grid that the coarse grid can hold."""
    for a, s in enumerate(stride):
        n = power.shape[a]
        inside = (torch.fft.fftfreq(n, 1 / n).abs() < n / (2 * s)).nonzero()[:, 0]
        power = power.index_select(a, inside)
    return power
