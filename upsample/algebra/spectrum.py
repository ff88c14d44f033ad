"""What an upsampling layer does to each frequency, and how much of its output is spectral images.

Enlarging the grid by s repeats the input's spectrum s*s times across the output's band: a signal at
f (cycles per input pixel) also appears at every (f + m)/s cycles per output pixel, m in {0..s-1}^2.
The copy m = 0 is the image itself; the others are "images" that a good interpolator suppresses.
"""

import torch
from torch import Tensor, nn

from upsample.algebra.phases import Polyphase, polyphase
from upsample.algebra.response import footprint, frozen, input_channels, scale_of

# Input pixels per period of the test signal. Odd, so that no frequency lies on the edge of the base band.
PERIOD = 31


def power_gain(layer: nn.Module, in_channels: int | None = None) -> Tensor:
    """Sum over channels of |H|^2 at every output frequency, (s*31, s*31) float64 in torch.fft order.

    H(v) is the answer at v cycles per output pixel to a unit wave of the frequency that v aliases to.
    Where `polyphase` knows the weights H is their Fourier transform; any other module is fed 1/f noise
    in one channel at a time, periodic over 31 pixels, and its answer to zeros subtracted. For a linear
    layer the two agree; for a content-aware one the second is what it does to such noise.
    Raises ValueError where the module cannot be fed or its strides differ.
    """
    try:
        parts = polyphase(layer)
    except TypeError:
        return _measured_gain(layer, in_channels)
    return _known_gain(parts)


def _known_gain(parts: Polyphase) -> Tensor:
    (sh, sw), (qh, qw) = parts.stride, parts.step
    if sh != sw:
        raise ValueError(f"a spectrum is of one scale, but this layer's stride is {sh} down and {sw} across")
    places, taps = [], []
    for (rh, rw), part in parts.phases.items():
        (kh, kw), (top, left) = part.kernel.shape[2:], part.start
        places += [(rh - sh * (top + qh * i), rw - sw * (left + qw * j)) for i in range(kh) for j in range(kw)]
        taps.append(part.kernel.cpu().double().flatten(2).flatten(0, 1))
    matrix = torch.cat(taps, 1)  # (out * in/groups, taps)
    # |H|^2 is the transform of the kernel's autocorrelation, in which the channels are summed once and for all.
    gram, place = matrix.T @ matrix, torch.tensor(places)
    apart = (place[:, None] - place) % (sh * PERIOD)
    correlation = torch.zeros(sh * PERIOD, sh * PERIOD, dtype=torch.float64)
    correlation.index_put_((apart[..., 0], apart[..., 1]), gram, accumulate=True)
    return torch.fft.fft2(correlation).real.clamp(min=0)


@torch.no_grad()
def _measured_gain(layer: nn.Module, in_channels: int | None) -> Tensor:
    module = frozen(layer)
    channels = input_channels(module) if in_channels is None else in_channels
    scale = scale_of(module, channels)
    noise = _pink_noise()
    margin = len(footprint(module, channels)) // scale // 2  # keeps the border out of what is measured
    around = torch.arange(-margin, PERIOD + margin) % PERIOD
    inner = slice(scale * margin, scale * (margin + PERIOD))
    x = noise.new_zeros(1, channels, len(around), len(around))
    still = module(x)
    power = torch.zeros(scale * PERIOD, scale * PERIOD, dtype=torch.float64)
    for channel in range(channels):
        x.zero_()[0, channel] = noise[around][:, around]
        answer = (module(x) - still)[0, :, inner, inner]
        power += torch.fft.fft2(answer).abs().square().sum(0)
    return power / torch.fft.fft2(noise).abs().square().repeat(scale, scale)


def _pink_noise() -> Tensor:
    """(31, 31) float64 of unit variance, amplitude 1/f at every frequency and random phases (seed 0)."""
    spectrum = torch.fft.fft2(torch.randn(PERIOD, PERIOD, generator=torch.Generator().manual_seed(0)).double())
    noise = torch.fft.ifft2(spectrum / spectrum.abs() * _natural_power().sqrt()).real
    return noise / noise.std()


def _natural_power() -> Tensor:
    """(31, 31) in torch.fft order: 1/f^2, the power spectrum of natural images (Field 1987), f in steps; 1 at zero."""
    step = torch.fft.fftfreq(PERIOD, 1 / PERIOD, dtype=torch.float64)
    return 1 / (step[:, None].square() + step.square()).clamp(min=1)


def imaging_ratio(layer: nn.Module, in_channels: int | None = None) -> float:
    """Energy of the spectral images over the energy of the base band, for an input of power 1/f^2.

        sum_{m != 0} sum_f |H((f + m)/s)|^2 / |f|^2   over   sum_f |H(f/s)|^2 / |f|^2

    with f over the non-zero frequencies of a 31 x 31 input and |H|^2 from `power_gain`, which also says
    how a layer whose weights are not known is measured. 0 is ideal interpolation, and inserting zeros
    (every image at full strength) is s**2 - 1. The images of f = 0 are left to `phase_imbalance`.
    """
    return imaging_of(power_gain(layer, in_channels))


def imaging_of(gain: Tensor) -> float:
    """`imaging_ratio` from what `power_gain` returned."""
    scale = len(gain) // PERIOD
    power = gain * _natural_power().repeat(scale, scale)
    power[::PERIOD, ::PERIOD] = 0
    base = torch.fft.fftfreq(len(power), 1 / len(power)).abs() < PERIOD / 2
    within = power[base][:, base].sum()
    return ((power.sum() - within) / within).item()
