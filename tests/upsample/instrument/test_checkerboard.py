"""The measures at both ends: silent on noise and photographs, loud on transposed convolutions."""

import math

import pytest
import torch

from data.sets.earth import world
from upsample.instrument.checkerboard import Checkerboard, nulls, phase_variance, spectral_peak_db
from upsample.instrument.noise import pink_noise


@pytest.mark.parametrize(
    ("period", "size", "variance", "peak"),
    [(2, 128, 1e-4, 1.1), (4, 128, 8e-4, 2.5), (8, 128, 4e-3, 3.6), (16, 160, 1.5e-2, 5.6)],
)
def test_floor_on_noise(period: int, size: int, variance: float, peak: float) -> None:
    noise = pink_noise(64, size, size, seed=1)
    assert phase_variance(noise, period).median().item() == pytest.approx(variance, rel=0.75)
    assert spectral_peak_db(noise, period).median().item() == pytest.approx(peak, abs=0.6)


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_random_transposed_convolutions_print(kernel: int) -> None:
    torch.manual_seed(kernel)
    variances, peaks = [], []
    for seed in range(8):
        layer = torch.nn.ConvTranspose2d(8, 8, kernel, stride=2)
        y = layer(pink_noise(8, 64, 64, seed).view(1, 8, 64, 64) + 1).detach()
        variances.append(phase_variance(y, 2).median().item())
        peaks.append(spectral_peak_db(y, 2).median().item())
    assert 0.1 < sorted(variances)[4] < 0.6
    assert 17 < sorted(peaks)[4] < 28


def test_interpolated_noise_does_not_fire_where_a_deconvolved_one_does() -> None:
    noise = pink_noise(8, 80, 80, seed=3)
    smooth = torch.nn.functional.interpolate(noise, scale_factor=2, mode="bicubic")
    printed = smooth + 0.05 * (torch.arange(160) % 2)  # a column pattern of a twentieth of the noise's deviation
    variance_floor, peak_floor = nulls((2,), 160, 160)[0]
    assert phase_variance(smooth, 2).median() < variance_floor
    assert spectral_peak_db(smooth, 2).median() < peak_floor
    assert phase_variance(printed, 2).median() > 100 * variance_floor
    assert spectral_peak_db(printed, 2).median() > peak_floor + 15


def test_silent_on_real_photographs() -> None:
    """Satellite photographs in grey, at two thirds of their size: JPEG's own 2 x 2 chroma and 8 x 8 blocks,
    which are checkerboards of a kind, are resampled away."""
    grey = torch.from_numpy(world()[0][300:2100]).float().mean(-1)
    tiles = grey.unfold(0, 384, 384).unfold(1, 384, 384).reshape(-1, 1, 384, 384)
    tiles = tiles[tiles.std((1, 2, 3)) > 8]  # open ocean has no detail to measure
    photographs = torch.nn.functional.interpolate(tiles, size=(256, 256), mode="bicubic", antialias=True)
    assert len(photographs) >= 20
    for period in (2, 4, 8, 16):
        variance_floor, peak_floor = nulls((period,), 256, 256)[0]
        assert phase_variance(photographs, period).median() < variance_floor
        assert spectral_peak_db(photographs, period).median() < peak_floor


def test_phase_variance_of_a_pure_pattern_is_one_and_of_a_constant_zero() -> None:
    pattern = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    assert phase_variance(pattern, 2).item() == pytest.approx(1)
    constant = torch.full((1, 1, 64, 64), 3.3)
    assert phase_variance(constant, 2).item() == 0
    assert spectral_peak_db(constant, 2).item() == 0


def test_phase_variance_against_a_literal_loop() -> None:
    torch.manual_seed(0)
    p, size = 3, 35
    y = torch.randn(size, size, dtype=torch.float64) + (torch.arange(size) % p == 0)
    weight = [(p - abs(k)) / p**2 for k in range(-p + 1, p)]  # box_p * box_p
    start, stop = p, p + (size - 2 * p) // p * p
    detail = {}
    for i in range(start, stop):
        for j in range(start, stop):
            smooth = sum(
                weight[a + p - 1] * weight[b + p - 1] * y[i + a, j + b].item()
                for a in range(-p + 1, p)
                for b in range(-p + 1, p)
            )
            detail[i, j] = y[i, j].item() - smooth
    values = list(detail.values())
    mean = sum(values) / len(values)
    total = sum((v - mean) ** 2 for v in values) / len(values)
    phases = [[v for (i, j), v in detail.items() if (i % p, j % p) == (a, b)] for a in range(p) for b in range(p)]
    means = [sum(phase) / len(phase) for phase in phases]
    centre = sum(means) / len(means)
    printed = sum((m - centre) ** 2 for m in means) / len(means)
    assert phase_variance(y.view(1, 1, size, size), p).item() == pytest.approx(printed / total, rel=1e-4)


def test_spectral_peak_against_a_literal_loop() -> None:
    torch.manual_seed(0)
    p, size = 2, 44
    y = torch.randn(size, size) + 0.2 * (torch.arange(size) % p)
    inner = y[p:-p, p:-p].double()
    n = size - 2 * p
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / n) for i in range(n)]
    window = torch.tensor([[a * b for b in hann] for a in hann], dtype=torch.float64)
    power = torch.fft.fft2((inner - inner.mean()) * window).abs() ** 2
    best = 0.0
    for m1, m2 in [(0, 1), (1, 0), (1, 1)]:
        peak, ring = [], []
        for a in range(-10, 11):
            for b in range(-10, 11):
                value = power[(m1 * n // p + a) % n, (m2 * n // p + b) % n].item()
                radius = max(abs(a), abs(b))
                along = (m1 or abs(a) <= 1) and (m2 or abs(b) <= 1)  # on an axis, what lies on the axis
                if radius <= 1:
                    peak.append(value)
                if along and 4 <= radius <= min(10, n // (2 * p)):
                    ring.append(value)
        best = max(best, (sum(peak) / len(peak)) / (sum(ring) / len(ring)))
    assert spectral_peak_db(y.view(1, 1, size, size), p).item() == pytest.approx(10 * math.log10(best), abs=1e-3)


def straight(kind: str) -> torch.Tensor:
    """Images with edges along the axes, blurred or not, and no pattern: what both measures are easily taken in by."""
    at = torch.arange(256.0)
    image = {"step": (at > 101).float(), "ramp": at / 256, "stairs": ((at - 3) / 37).floor()}[kind]
    return torch.stack([image.expand(256, 256), image.flip(0).expand(256, 256).T])[:, None]


@pytest.mark.parametrize("kind", ["step", "ramp", "stairs"])
@pytest.mark.parametrize("period", [2, 4, 8])
def test_straight_edges_are_no_peak(kind: str, period: int) -> None:
    assert spectral_peak_db(straight(kind), period).max() < nulls((period,), 256, 256)[0][1]


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_pattern_is_told_under_its_own_period(period: int) -> None:
    y = pink_noise(4, 192, 192, seed=2) + 0.2 * torch.cos(2 * torch.pi * torch.arange(192) / period)
    for other in (2, 4, 8):
        variance, peak = nulls((other,), 192, 192)[0]
        assert bool((phase_variance(y, other) > 3 * variance).all()) == (other == period)
        assert bool((spectral_peak_db(y, other) > peak + 5).all()) == (other == period)


def test_metric_accumulates_over_batches_and_reports_every_divisor_beside_its_null() -> None:
    noise = pink_noise(6, 96, 90, seed=5).view(3, 2, 96, 90)
    metric = Checkerboard(8)
    metric.update(noise[:1])
    metric.update(noise[1:])
    result = metric.compute()
    assert result["phase_variance"] == pytest.approx(phase_variance(noise, 8).mean(0).max().item())
    assert result["spectral_peak_db/p2"] == pytest.approx(spectral_peak_db(noise, 2).mean(0).max().item())
    assert set(result) == {
        f"{name}{suffix}{end}"
        for name in ("phase_variance", "spectral_peak_db")
        for suffix in ("", "/p4", "/p2")
        for end in ("", "/null")
    }
    assert result["phase_variance/p4/null"] == pytest.approx(nulls((4,), 96, 90)[0][0])


def test_neither_clean_channels_nor_constant_images_hide_a_pattern() -> None:
    y = pink_noise(40, 96, 96, seed=5).view(8, 5, 96, 96)
    y[:, 3] += 0.5 * (torch.arange(96) % 2)
    y[::2] = 0.3
    metric = Checkerboard(2)
    metric.update(y)
    result = metric.compute()
    assert result["spectral_peak_db"] > result["spectral_peak_db/null"] + 6


def test_images_of_two_sizes_have_the_null_of_each() -> None:
    large, small = pink_noise(3, 96, 96, seed=1), pink_noise(1, 48, 64, seed=2)
    metric = Checkerboard(4)
    metric.update(large)
    metric.update(small)
    result = metric.compute()
    floors = [nulls((4,), 96, 96)[0][1]] * 3 + [nulls((4,), 48, 64)[0][1]]
    assert result["spectral_peak_db/null"] == pytest.approx(sum(floors) / 4)
    values = [*spectral_peak_db(large, 4).flatten().tolist(), spectral_peak_db(small, 4).item()]
    assert result["spectral_peak_db"] == pytest.approx(sum(values) / 4)
    metric.update(pink_noise(1, 30, 30, seed=3))  # too small for a period of 4, not for one of 2
    assert metric.compute()["spectral_peak_db"] == pytest.approx(sum(values) / 4)


def test_metric_measures_at_most_max_images_and_only_periods_that_fit() -> None:
    noise = pink_noise(5, 64, 64, seed=6)
    metric = Checkerboard(16, max_images=3)
    metric.update(noise[:2])
    metric.update(noise[2:])
    result = metric.compute()
    assert result["phase_variance/p4"] == pytest.approx(phase_variance(noise[:3], 4).mean().item())
    assert "phase_variance" not in result
    assert "phase_variance/p8" not in result
    assert Checkerboard(8).compute() == {}


def test_too_small_an_image_is_refused_with_the_size_that_works() -> None:
    with pytest.raises(ValueError, match="at least 80 x 80 pixels, not 64 x 64"):
        phase_variance(torch.zeros(1, 1, 64, 64), 8)
