"""The causal measure: exact where the answer is known, zero where the grid does nothing, its two parts told apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.polyphase import polyphase
from upsample.instrument.noise import pink_noise
from upsample.instrument.shifts import GridByShifting, ShiftResult
from upsample.instrument.words import content, verdict


def measured(network: object, images: Tensor, period: int, **options: object) -> ShiftResult:
    metric = GridByShifting(period, **options)
    metric.update(network, images)
    return metric.result()


def noise(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    return pink_noise(count * channels, side, side, seed).view(count, channels, side, side)


@torch.no_grad()
def test_total_fixed_and_content_locked_against_literal_loops() -> None:
    """A linear network with pattern and content-locked error, in float64; all from its definition."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 2, stride=2), nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1)
    )
    images, margin, p = noise(7, 1, 60), 4, 2
    found = measured(network, images, p, shifts=4, margin=margin)
    assert found.pattern is not None
    assert found.total is not None
    assert found.content is not None
    reach, side = 2 * p - 1, (60 - (2 * p - 1)) // p * p
    inner = (side - 2 * margin - reach) // p * p
    top = (60 - reach - side) // 2
    patterns, totals = [], []
    for image in images:
        by_place = {}
        for a in range(p):
            for b in range(p):
                y = network(image[None, :, top + a : top + a + side, top + b : top + b + side])[0].double()
                y0, x0 = reach + margin - a, reach + margin - b
                by_place[a, b] = (y[:, y0 : y0 + inner, x0 : x0 + inner], (y0, x0))
        mean = sum(y for y, _ in by_place.values()) / p**2
        totals.append(sum((y - mean).square().mean((1, 2)) for y, _ in by_place.values()) / p**2)
        pattern = torch.zeros(2, p, p, dtype=torch.float64)
        for y, (y0, x0) in by_place.values():
            for i in range(p):
                for j in range(p):
                    pattern[:, (y0 + i) % p, (x0 + j) % p] += (y - mean)[:, i::p, j::p].mean((1, 2)) / p**2
        patterns.append(pattern)
    total = sum(totals) / len(totals)
    drawn = sum(patterns) / len(patterns)
    pairs = [(a * b).mean((1, 2)) for i, a in enumerate(patterns) for j, b in enumerate(patterns) if i != j]
    fixed = (sum(pairs) / len(pairs)).clamp_min(0)
    torch.testing.assert_close(found.total.square(), total, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.pattern.drawn(p), drawn, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.pattern.by_period[:, 0].square(), fixed, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.content.square(), total - fixed, rtol=1e-4, atol=0)


@pytest.mark.parametrize("stride", [2, 3, 4])
@torch.no_grad()
def test_a_linear_layer_on_constants_agrees_with_its_phases(stride: int) -> None:
    """The layer reads every stride-th pixel; its phases' answers to the constants are exact algebra."""
    torch.manual_seed(stride)
    layer = nn.ConvTranspose2d(3, 2, 5, stride=stride, padding=2, output_padding=stride - 1).double()
    levels = torch.rand(8, 3, dtype=torch.float64)
    images = levels[:, :, None, None].expand(-1, -1, 110, 110)
    metric = GridByShifting(stride, shifts=stride**2, margin=8)
    metric.update(lambda x: layer(x[..., ::stride, ::stride]), images)
    found = metric.result()
    assert found.pattern is not None
    parts = polyphase(layer).phases
    expected = torch.zeros(2, stride, stride, dtype=torch.float64)
    for (a, b), part in parts.items():
        assert part.bias is not None
        expected[:, a, b] = part.kernel.sum((2, 3)) @ levels.mean(0) + part.bias
    expected -= expected.mean((1, 2), keepdim=True)
    assert (found.pattern.drawn(stride) - expected).abs().max() < 1e-6


@pytest.mark.parametrize("shifts", [2, 3, 8, 64])
def test_few_shifts_find_the_same_pattern_as_all(shifts: int) -> None:
    pattern = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(1))
    pattern -= pattern.mean()
    found = measured(
        lambda x: x + pattern.repeat(1, x.shape[-2] // 8, x.shape[-1] // 8), noise(12, 1, 80), 8, shifts=shifts
    )
    assert found.pattern is not None
    torch.testing.assert_close(found.pattern.drawn(8).float(), pattern, rtol=0, atol=1e-4)
    assert found.pattern.overall[0].item() == pytest.approx(pattern.square().mean().sqrt().item(), rel=1e-3)
    assert found.content is not None
    assert found.content.item() < (0.05 if shifts < 64 else 1e-3) * pattern.std().item() * 8


def test_nothing_is_made_by_a_network_without_strides() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))
    with torch.no_grad():
        found = measured(network, noise(6, 3, 96), 4, classes=True)
    assert found.pattern is not None
    assert found.total is not None
    assert found.deviation is not None
    assert (found.total < 1e-5 * found.deviation).all()
    assert not found.pattern.shown
    assert found.shift_moves == found.pattern_moves == 0
    assert verdict(found, "logits").startswith("none shown (below 0.0")


def test_stairs_are_locked_to_content_and_smooth_enlarging_makes_fewer() -> None:
    images = noise(8, 1, 96)

    def enlarged(mode: str, factor: int) -> ShiftResult:
        reduce = lambda x: F.interpolate(x, scale_factor=1 / factor, mode="bicubic", antialias=True)  # noqa: E731
        return measured(lambda x: F.interpolate(reduce(x), scale_factor=factor, mode=mode), images, factor, shifts=8)

    nearest, eight, bilinear = enlarged("nearest", 2), enlarged("nearest", 8), enlarged("bilinear", 2)
    for found in (nearest, eight, bilinear):
        assert found.pattern is not None
        assert not found.pattern.shown
        assert verdict(found, "grey levels").startswith("none shown (below")
    assert nearest.content_interval is not None
    assert eight.content_interval is not None
    assert bilinear.content_interval is not None
    assert nearest.content_interval[0] > 0.2
    assert eight.content_interval[0] > 0.2
    assert bilinear.content_interval[0] < 0.5 * nearest.content_interval[0]
    assert content(nearest, "grey levels").startswith("content-locked error of 0.2")


def test_a_pattern_that_decides_pixels_is_counted() -> None:
    """Two classes whose logits differ by an even spread: a pattern of 0.1 moves 0.1 / 2 of what lies within 0.1."""
    images = torch.rand(8, 1, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def network(x: Tensor) -> Tensor:
        pattern = 0.1 * (1 - 2 * (torch.arange(x.shape[-1]) % 2))
        return torch.cat([x + pattern, torch.zeros_like(x)], 1)

    found = measured(network, images, 2, classes=True)
    assert found.pattern_moves == pytest.approx(0.05, abs=0.005)
    assert found.shift_moves == pytest.approx(0.1 * 2 / 3, abs=0.007)  # of two different places, 2 of 3 differ across


def test_of_overlapping_classes_each_channel_decides_for_itself() -> None:
    """A checkerboard of 0.025 on the first of two channels, whose values are spread evenly over 1, decides a fortieth
    of the pixels, though the other is larger everywhere; that one is far from 0, and nothing changes it."""
    random = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 96, 96, generator=random) - 0.5

    def network(x: Tensor) -> Tensor:
        signs = (torch.arange(x.shape[-2])[:, None] + torch.arange(x.shape[-1])) % 2 * 2.0 - 1
        return torch.cat([x + 0.025 * signs, 100 + 0.025 * signs.expand_as(x)], 1)

    found = measured(network, images, 2, classes="each")
    assert found.pattern_moves == pytest.approx(0.025, abs=0.004)
    assert measured(network, images, 2, classes="one").pattern_moves == 0


def test_a_pattern_in_one_channel_is_named_and_told_under_its_own_period() -> None:
    def network(x: Tensor) -> Tensor:
        columns = 0.05 * (torch.arange(x.shape[-1]) % 2)
        return torch.cat([x, x + columns, x], 1)

    found = measured(network, noise(8, 1, 96), 8, channels=["sea", "land", "lake"], classes=True)
    assert found.pattern is not None
    assert found.pattern.periods == [2]
    assert found.pattern.rms.tolist() == pytest.approx([0, 0.025, 0], abs=1e-5)
    sentence = verdict(found, "logits")
    assert sentence.startswith("fixed pattern of 0.014 logits, ")
    assert "in land), moves " in sentence
    assert sentence.endswith("of the pixels, period 2")


def test_what_borders_make_is_not_the_grid() -> None:
    """A wide average of zero-padded windows: its border reaches far into the windows, and no grid is there."""
    network = lambda x: F.avg_pool2d(x + 3, 65, stride=1, padding=32)  # noqa: E731
    found = measured(network, noise(8, 1, 120), 8)
    assert found.border is not None
    assert found.pattern is not None
    assert found.border.item() > 0.01
    assert not found.pattern.shown


def test_images_too_small_say_the_size_that_would_do() -> None:
    metric = GridByShifting(8)
    metric.update(lambda x: x, torch.zeros(3, 1, 78, 200))
    assert verdict(metric.result(), "logits") == (
        "not measured: needs at least 2 images of at least 79 px a side, and saw 0, and 3 were smaller"
    )
    assert metric.compute() == {}
    metric.update(lambda x: x + torch.arange(x.shape[-1]) % 2, torch.zeros(3, 1, 79, 79))
    assert verdict(metric.result(), "logits").startswith("not measured: needs at least 6 images")


def test_two_processes_together_find_what_one_finds() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 2, stride=2), nn.ConvTranspose2d(4, 3, 2, stride=2))
    images = noise(8, 1, 64)
    one, first, second = (GridByShifting(2, classes=True) for _ in range(3))
    one.update(network, images)
    first.update(network, images[:3])
    second.update(network, images[3:])
    first.records.extend(second.records)
    first.images += second.images
    assert first.compute() == pytest.approx(one.compute())


def test_super_resolution_moves_by_input_pixels() -> None:
    """Period 4 at scale 2: a pixel of the input is half a period."""
    pattern = 0.1 * (torch.arange(400) % 4 == 1)
    network = lambda x: F.interpolate(x, scale_factor=2) + pattern[: 2 * x.shape[-1]]  # noqa: E731
    found = measured(network, noise(8, 1, 80), 4, scale=2)
    assert found.pattern is not None
    # What differs between places half a period apart: the pattern's odd harmonics, of 1/4.
    assert found.pattern.overall[0].item() == pytest.approx(0.1 * (1 / 8) ** 0.5, rel=1e-3)
    with pytest.raises(ValueError, match="shift the image before it is reduced"):
        GridByShifting(2, scale=2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shifts": 1}, "shifts must be at least 2"),
        ({"scale": 3}, "the scale must divide the period"),
        ({"window": 40}, "window must be at least"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GridByShifting(8, **options)


def test_an_output_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not 1 times as many along each axis"):
        measured(lambda x: x[..., ::2, ::2], noise(2, 1, 96), 2)
