"""Measures of checkerboards: patterns of period p that a decoder prints, whatever the image.

Both measures look for power exactly at the multiples of 1/p, where an image has no reason to have
more than beside them. One period is cropped at each side first, since borders break any pattern.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torchmetrics import Metric

from upsample.instrument.detail import detail
from upsample.instrument.harmonics import divisors
from upsample.instrument.noise import pink_parts

MINIMUM_PERIODS = 10  # per side of an image, two of which are cropped: the spectral background needs eight
RINGS = (4, 10)  # Chebyshev radii, in frequency bins, of the background around a harmonic
NOISE_IMAGES = 128  # behind the 95th percentile of a null


def _measured(y: Tensor, period: int) -> Tensor:
    """Crop one period at each side, and the rest to whole periods, in float32 with each channel's mean removed."""
    height, width = y.shape[-2:]
    if min(height, width) < MINIMUM_PERIODS * period:
        raise ValueError(
            f"a checkerboard of period {period} is measured on images of at least "
            f"{MINIMUM_PERIODS * period} x {MINIMUM_PERIODS * period} pixels, not {height} x {width}"
        )
    inner = y[..., period : height // period * period - period, period : width // period * period - period].float()
    return inner - inner.mean((-2, -1), keepdim=True)


def phase_variance(y: Tensor, period: int) -> Tensor:
    """Share of the fine detail's variance that repeats with the period.

    y (N, C, H, W), floating; returns (N, C) float32 in [0, 1]. The detail is r = y - y * box_p * box_p
    (per axis; the kernel nulls every multiple of 1/p, so r keeps the pattern whole); the result is the
    variance over the p*p phases of r's phase means, over r's variance. A channel without detail scores 0.
    Raises ValueError where an image is smaller than 10 periods.
    """
    n, c = y.shape[:2]
    rows, columns = _measured(y, period).shape[-2:]
    centred = y.float() - y.float().mean((-2, -1), keepdim=True)
    fine = detail(centred, period)[..., 1 : 1 + rows, 1 : 1 + columns]  # which starts p-1 in; measuring starts p in
    phases = fine.reshape(n, c, rows // period, period, columns // period, period).mean((2, 4))
    total = fine.reshape(n, c, -1).var(-1, correction=0)
    printed = phases.reshape(n, c, -1).var(-1, correction=0)
    # Rounding leaves a constant image with a residue near 1e-7 of its magnitude, which is no detail.
    silent = total <= 1e-12 * y.float().square().mean((-2, -1))
    return torch.where(silent, 0.0, printed / total.where(~silent, 1.0))


def spectral_peak_db(y: Tensor, period: int) -> Tensor:
    """How far the strongest harmonic of the period stands above the spectrum around it, in dB.

    y (N, C, H, W), floating; returns (N, C) float32. Power spectrum under a periodic Hann window; at each
    harmonic (m1/p, m2/p) != 0 the mean power within Chebyshev radius 1 over the mean at radius 4 to 10
    (less where the next harmonic is nearer than 20 bins); the maximum over the harmonics. A channel
    without power beside a harmonic scores 0. Raises ValueError where an image is smaller than 10 periods.
    """
    inner = _measured(y, period)
    rows, columns = inner.shape[-2:]
    window = torch.outer(
        torch.hann_window(rows, device=y.device, dtype=torch.float32),
        torch.hann_window(columns, device=y.device, dtype=torch.float32),
    )
    spectrum = torch.fft.rfft2(inner * window)
    power = spectrum.real.square() + spectrum.imag.square()
    near, far = RINGS[0], min(RINGS[1], rows // (2 * period), columns // (2 * period))
    # A real image's spectrum is symmetric, so half of the harmonics say it all.
    m = [(i, j) for i in range(period // 2 + 1) for j in range(period) if (i, j) != (0, 0)]
    offsets = torch.arange(-far, far + 1)
    centre_rows = torch.tensor([i * rows // period for i, _ in m])
    centre_columns = torch.tensor([j * columns // period for _, j in m])
    at_rows = ((centre_rows[:, None, None] + offsets[None, :, None]) % rows).to(y.device)
    at_columns = ((centre_columns[:, None, None] + offsets[None, None, :]) % columns).to(y.device)
    # Only columns up to the half are there; the others mirror them in both axes.
    beyond = at_columns > columns // 2
    at_rows, at_columns = (
        torch.where(beyond, -at_rows % rows, at_rows),
        torch.where(beyond, columns - at_columns, at_columns),
    )
    radius = torch.maximum(offsets.abs()[:, None], offsets.abs()[None, :]).to(y.device)
    around = power[..., at_rows, at_columns]  # (N, C, harmonics, 2*far+1, 2*far+1)
    peak = around[..., radius <= 1].mean(-1)
    background = around[..., radius >= near].mean(-1)
    mean = (power.sum((-2, -1)) + power[..., 1 : (columns + 1) // 2].sum((-2, -1))) / (rows * columns)
    silent = background <= 1e-12 * mean[..., None]
    ratio = torch.where(silent & (peak <= background.clamp_min(1e-30)), 1.0, peak / background.clamp_min(1e-30))
    return 10 * ratio.amax(-1).log10()


@lru_cache
def nulls(periods: tuple[int, ...], height: int, width: int) -> list[tuple[float, float]]:
    """For each period the 95th percentiles of (phase_variance, spectral_peak_db) over images of 1/f**2 noise.

    The floors depend on period and size, so a value means something only above its own null.
    """
    measured = [
        [(phase_variance(noise, p), spectral_peak_db(noise, p)) for p in periods]
        for noise in pink_parts(NOISE_IMAGES, height, width, seed=0)
    ]
    both = [
        [torch.cat(values).quantile(0.95).item() for values in zip(*of, strict=True)]
        for of in zip(*measured, strict=True)
    ]
    return [(variance, peak) for variance, peak in both]


class Checkerboard(Metric):
    """Both measures over a data set, at a decoder's period and at each of its divisors.

    update(y) takes (N, C, H, W) logits or images, all of one size; `compute()` gives a flat dict of floats:
    `phase_variance` and `spectral_peak_db` (the median over images and channels) at the period, the same
    with `/p2`, `/p4` ... at its divisors, and each with `/null`, its value's 95th percentile on noise of
    the same size. At most `max_images` images are measured (None: all). Periods of which an image holds
    fewer than 10 are left out.
    """

    full_state_update = False

    def __init__(self, period: int, max_images: int | None = 64) -> None:
        super().__init__()
        self.period = period
        self.max_images = max_images
        self.images: Tensor
        self.size: Tensor
        for p in divisors(period):
            for name in ("phase_variance", "spectral_peak_db"):
                self.add_state(f"{name}_{p}", default=[], dist_reduce_fx="cat")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("size", default=torch.zeros(2, dtype=torch.long), dist_reduce_fx="max")

    def update(self, y: Tensor) -> None:
        """Measure (N, C, H, W) logits or images."""
        if self.full:
            return
        if self.max_images is not None:
            y = y[: self.max_images - int(self.images)]
        self.images += len(y)
        self.size = torch.tensor(y.shape[-2:], device=self.size.device)
        for p in self.measured():
            getattr(self, f"phase_variance_{p}").append(phase_variance(y, p).flatten())
            getattr(self, f"spectral_peak_db_{p}").append(spectral_peak_db(y, p).flatten())

    @property
    def full(self) -> bool:
        """Whether as many images as it takes are measured."""
        return self.max_images is not None and int(self.images) >= self.max_images

    def measured(self) -> list[int]:
        """The periods that the images seen so far are large enough for."""
        return [p for p in divisors(self.period) if int(self.size.min()) >= MINIMUM_PERIODS * p]

    def compute(self) -> dict[str, float]:
        """Medians and their nulls, keyed as the class says."""
        result = {}
        periods = self.measured()
        for p, floors in zip(periods, nulls(tuple(periods), *self.size.tolist()), strict=True):
            for name, floor in zip(("phase_variance", "spectral_peak_db"), floors, strict=True):
                values = getattr(self, f"{name}_{p}")
                values = torch.cat(values) if isinstance(values, list) else values
                key = name if p == self.period else f"{name}/p{p}"
                result[key] = values.median().item()
                result[f"{key}/null"] = floor
        return result
