"""The two classical measures of checkerboards, as a description; the verdict is that of `shifts` or `outputs`.

Both look for power exactly at the harmonics of the period, those that no shorter period has, where an image has no
reason to have more than beside them. One period is cropped at each side first, since borders break any pattern.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from upsample.instrument.detail import detail
from upsample.instrument.harmonics import divisors, fold, harmonics
from upsample.instrument.noise import pink_parts
from upsample.instrument.records import Field, read, record

MINIMUM_PERIODS = 10  # per side of an image, two of which are cropped: the spectral background needs eight
RINGS = (4, 10)  # Chebyshev radii, in frequency bins, of the background around a harmonic
ROUNDING = 1e-8  # of the mean power: float32 leaves as much where there is none
MEASURES = ("phase_variance", "spectral_peak_db")
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
    """Share of the fine detail's variance that repeats with the period, and with no shorter one.

    y (N, C, H, W), floating; returns (N, C) float32 in [0, 1]. The detail is r = y - y * box_p * box_p
    (per axis; the kernel nulls every multiple of 1/p, so r keeps the pattern whole); the result is the
    power of r's p*p phase means at the harmonics of p alone, over r's variance. A channel without detail
    scores 0. Sharp edges along the axes raise it. Raises ValueError where an image is smaller than 10 periods.
    """
    rows, columns = _measured(y, period).shape[-2:]
    centred = y.float() - y.float().mean((-2, -1), keepdim=True)
    fine = detail(centred, period)[..., 1 : 1 + rows, 1 : 1 + columns]  # which starts p-1 in; measuring starts p in
    total = fine.flatten(-2).var(-1, correction=0)
    own = harmonics([period])
    printed = (own.read([fold(fine.cpu(), period)]).abs().square() * own.multiple).sum(-1).to(total)
    # Rounding leaves a constant image with a residue near 1e-7 of its magnitude, which is no detail.
    silent = total <= 1e-12 * y.float().square().mean((-2, -1))
    return torch.where(silent, 0.0, printed / total.where(~silent, 1.0))


def spectral_peak_db(y: Tensor, period: int) -> Tensor:
    """How far the strongest harmonic of the period alone stands above the spectrum around it, in dB.

    y (N, C, H, W), floating; returns (N, C) float32. Power spectrum under a periodic Hann window; at each
    harmonic the mean power within Chebyshev radius 1 over the mean at radius 4 to 10 (less where the next
    multiple of 1/p is nearer than 20 bins); the maximum over the harmonics. On an axis, where straight edges
    have their power, only what lies along the axis is compared. A channel without power beside a harmonic
    scores 0. Raises ValueError where an image is smaller than 10 periods.
    """
    inner = _measured(y, period)
    rows, columns = inner.shape[-2:]
    window = torch.outer(
        torch.hann_window(rows, device=y.device, dtype=torch.float32),
        torch.hann_window(columns, device=y.device, dtype=torch.float32),
    )
    spectrum = torch.fft.fft2(inner * window)
    power = spectrum.real.square() + spectrum.imag.square()
    near, far = RINGS[0], min(RINGS[1], rows // (2 * period), columns // (2 * period))
    index = harmonics([period]).index
    offsets = torch.arange(-far, far + 1)
    at_rows = ((index[:, 0] * rows // period)[:, None, None] + offsets[:, None]) % rows
    at_columns = ((index[:, 1] * columns // period)[:, None, None] + offsets) % columns
    around = power[..., at_rows.to(y.device), at_columns.to(y.device)]  # (N, C, harmonics, 2*far+1, 2*far+1)
    down, across = offsets.abs()[:, None], offsets.abs()
    ring = torch.maximum(down, across) >= near
    on_axis = (index == 0)[:, :, None, None]
    beside = (ring & ~(on_axis[:, 1] & (across > 1)) & ~(on_axis[:, 0] & (down > 1))).to(power)
    peak = around[..., (torch.maximum(down, across) <= 1).to(y.device)].mean(-1)
    background = (around * beside).sum((-2, -1)) / beside.sum((-2, -1))
    rounding = ROUNDING * power.mean((-2, -1))[..., None].clamp_min(1e-30)
    ratio = (peak + rounding) / (background + rounding)
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

    update(y) takes (N, C, H, W) logits or images of any size; `compute()` gives a flat dict of floats:
    `phase_variance` and `spectral_peak_db` at the period, the same with `/p2`, `/p4` ... at its divisors.
    Each is the mean over images in the channel where that is largest, so that neither constant images nor
    clean channels hide it. Beside each stands `/null`, the 95th percentile of a single image of noise of the
    same size (of sizes that differ, the mean). At most `max_images` images are measured (None: all), each at
    the periods of which it holds 10.
    """

    full_state_update = False

    def __init__(self, period: int, max_images: int | None = 64) -> None:
        super().__init__()
        self.period = period
        self.max_images = max_images
        self.fields: dict[str, Field] = {"measured": ("C", len(divisors(period)), 2), "size": (2,)}
        self.records: list[Tensor]
        self.images: Tensor
        self.add_state("records", default=[], dist_reduce_fx="cat")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, y: Tensor) -> None:
        """Measure (N, C, H, W) logits or images."""
        if self.full or not divisors(self.period):
            return
        if self.max_images is not None:
            y = y[: self.max_images - int(self.images)]
        self.images += len(y)
        found = [torch.full((*y.shape[:2], 2), torch.nan, device=y.device) for _ in divisors(self.period)]
        for at, p in enumerate(divisors(self.period)):
            if min(y.shape[-2:]) >= MINIMUM_PERIODS * p:
                found[at] = torch.stack([phase_variance(y, p), spectral_peak_db(y, p)], -1)
        size = torch.tensor(y.shape[-2:])
        for image in torch.stack(found, 2):
            self.records.append(record({"measured": image, "size": size}, self.fields).to(y.device))

    @property
    def full(self) -> bool:
        """Whether as many images as it takes are measured."""
        return self.max_images is not None and int(self.images) >= self.max_images

    def compute(self) -> dict[str, float]:
        """Values and their nulls, keyed as the class says; nothing of periods that no image is large enough for."""
        if not int(self.images):
            return {}
        values = read(dim_zero_cat(self.records), int(self.images), self.fields)
        sizes, result = values["size"].long(), {}
        for at, p in enumerate(divisors(self.period)):
            fits = sizes.amin(1) >= MINIMUM_PERIODS * p
            if not fits.any():
                continue
            floors = torch.tensor([nulls((p,), *size)[0] for size in sizes[fits].tolist()])  # (N, 2)
            measured = values["measured"][fits, :, at]
            for name, number, floor in zip(MEASURES, measured.unbind(-1), floors.T, strict=True):
                key = name if p == self.period else f"{name}/p{p}"
                result[key] = number.mean(0).max().item()
                result[f"{key}/null"] = floor.mean().item()
        return result
