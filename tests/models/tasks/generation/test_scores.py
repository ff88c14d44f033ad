"""Spectra of constructed images and distances of known Gaussians."""

import math

import pytest
import torch

from models.tasks.generation.scores import (
    GenerationScores,
    checkerboards,
    frechet,
    kernel_distance,
    power_spectrum,
    radial_power,
    spectrum_gap,
)

SIDE = 32


def noise(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def test_a_wave_lies_in_the_ring_of_its_frequency() -> None:
    """3 across and 4 down is ring 5; the window spreads it over its neighbours and no further."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    wave = torch.cos(2 * torch.pi * (4 * y + 3 * x) / SIDE)[None, None]
    power = power_spectrum(wave)
    peak = power.argmax()
    assert (int(peak) // SIDE % SIDE, int(peak) % SIDE) in {(4, 3), (SIDE - 4, SIDE - 3)}
    rings = radial_power(power)
    assert rings.shape == (16,)
    assert rings.argmax() + 1 == 5
    assert rings[7:].sum() < 1e-6 * rings.sum()


def test_ring_means_by_a_literal_loop() -> None:
    power = noise(1, 0)[0, 0].double().square()
    sums, counts = [0.0] * 17, [0] * 17
    for i in range(SIDE):
        for j in range(SIDE):
            ring = round(math.hypot(min(i, SIDE - i), min(j, SIDE - j)))
            if ring <= 16:
                sums[ring] += power[i, j].item()
                counts[ring] += 1
    expected = [s / c for s, c in zip(sums[1:], counts[1:], strict=True)]
    assert radial_power(power).tolist() == pytest.approx(expected)


def test_gap_of_a_gain_at_high_frequencies_is_its_logarithm_and_contrast_does_not_count() -> None:
    real = torch.linspace(100, 1, 16, dtype=torch.float64)
    fake = 7 * real
    assert spectrum_gap(real, fake) == pytest.approx(0, abs=1e-12)
    fake[12:] *= torch.tensor([2.0, 0.5, 2.0, 0.5])
    assert spectrum_gap(real, fake) == pytest.approx(math.log(2))
    fake[1:12] *= 3  # below the top quarter nothing counts
    assert spectrum_gap(real, fake) == pytest.approx(math.log(2))


def test_gap_of_images_shows_a_lost_and_an_added_detail() -> None:
    """White noise, against itself through a filter of known gain."""
    white, other = noise(2000, 0), noise(2000, 1)
    floor = spectrum_gap(radial_power(power_spectrum(white)), radial_power(power_spectrum(other)))
    assert floor < 0.03
    frequency = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.fftfreq(SIDE))
    for gain in (0.5, 2.0):
        filtered = torch.fft.ifft2(torch.fft.fft2(other) * torch.where(frequency > 0.3, gain, 1.0)).real
        gap = spectrum_gap(radial_power(power_spectrum(white)), radial_power(power_spectrum(filtered)))
        assert gap == pytest.approx(abs(2 * math.log(gain)), abs=0.05)


def test_frechet_of_known_gaussians() -> None:
    """|m1 - m2|**2 + tr(C1 + C2 - 2 (C1 C2)**(1/2)); for diagonal C the trace is that of the deviations' squares."""
    generator = torch.Generator().manual_seed(0)
    deviations = torch.tensor([1.0, 2.0, 0.5, 3.0])
    shift = torch.tensor([1.0, 0.0, -2.0, 0.0])
    a = torch.randn(200_000, 4, generator=generator)
    b = torch.randn(200_000, 4, generator=generator) * deviations + shift
    expected = (shift.square().sum() + (deviations - 1).square().sum()).item()
    assert frechet(a, b) == pytest.approx(expected, rel=0.01)
    # Exact on the sample's own moments, for covariances that do not commute.
    small, other = a[:300], b[:200] @ torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    c1, c2 = (x.double().T.cov() for x in (small, other))
    value, vector = torch.linalg.eigh(c1)
    root = vector @ value.sqrt().diag() @ vector.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).sqrt().sum()
    moved = (small.double().mean(0) - other.double().mean(0)).square().sum()
    assert frechet(small, other) == pytest.approx((moved + c1.trace() + c2.trace() - 2 * cross).item(), rel=1e-5)


def test_kernel_distance_by_its_definition_and_the_same_each_time() -> None:
    """With subsets of everything, the unbiased estimate of MMD**2 with the kernel (x.y/d + 1)**3."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(40, 5, generator=generator), torch.randn(40, 5, generator=generator) + 0.5

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return (x.double() @ y.double() / 5 + 1).item() ** 3

    pairs = [(i, j) for i in range(40) for j in range(40)]
    within = sum(kernel(x[i], x[j]) for x in (a, b) for i, j in pairs if i != j) / (40 * 39)
    across = sum(kernel(a[i], b[j]) for i, j in pairs) / 40**2
    assert kernel_distance(a, b) == pytest.approx(within - 2 * across, rel=1e-4)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert kernel_distance(a, b[:30]) == kernel_distance(a, b[:30])
    assert torch.equal(torch.get_rng_state(), before)


def test_checkerboards_are_measured_where_there_is_room_and_found_where_they_are() -> None:
    clean = (noise(8, 0) * 20 + 128).clamp(0, 255).byte()
    printed = (noise(8, 1) * 20 + 128).clamp(0, 255)
    printed[..., ::2, ::2] += 10
    scores = checkerboards(clean, printed.byte().repeat(1, 1, 5, 5)[..., 3:143, 5:145], 8)
    assert {key for key in scores if not key.endswith("/null")} == {
        "checkerboard/phase_variance/p2",
        "checkerboard/spectral_peak_db/p2",
        *(f"checkerboard_field/phase_variance{at}" for at in ("", "/p4", "/p2")),
        *(f"checkerboard_field/spectral_peak_db{at}" for at in ("", "/p4", "/p2")),
    }
    assert scores["checkerboard_field/phase_variance/p2"] > 2 * scores["checkerboard_field/phase_variance/p2/null"]
    assert scores["checkerboard/phase_variance/p2"] < 0.03


def test_without_a_feature_network_only_the_spectrum_is_scored() -> None:
    images = (noise(20, 0) * 20 + 128).clamp(0, 255).byte()
    assert GenerationScores(images, None)(images) == {"spectrum_gap": 0.0}


def test_constant_images_have_a_gap_that_is_a_number() -> None:
    noise = torch.randint(0, 256, (4, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    flat = torch.full_like(noise, 7)
    real, fake = (radial_power(power_spectrum(images)) for images in (noise, flat))
    assert math.isfinite(spectrum_gap(real, fake))
    assert spectrum_gap(fake, fake) == 0
