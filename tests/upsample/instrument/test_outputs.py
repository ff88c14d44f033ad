"""The test on outputs alone: silent where content has no place on a grid, clear where a pattern has."""

import pytest
import torch
from torch import Tensor

from upsample.instrument.noise import pink_noise
from upsample.instrument.outputs import GridInOutputs, OutputResult, smallest
from upsample.instrument.words import verdict


def found(images: Tensor, *periods: int, **options: object) -> OutputResult:
    metric = GridInOutputs(periods, **options)
    metric.update(images)
    return metric.result()


def noise(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    return pink_noise(count * channels, side, side, seed).view(count, channels, side, side)


def stripes(period: int, side: int, seed: int = 0) -> Tensor:
    """(side, side) random stripes of a period, of rms 1."""
    profile = torch.randn(period, generator=torch.Generator().manual_seed(seed))
    profile = (profile - profile.mean()) / profile.std(correction=0)
    return profile.repeat(side // period + 1)[:side].expand(side, side)


@pytest.mark.parametrize("period", [2, 3, 8])
def test_a_pattern_of_a_hundredth_is_found_and_sized(period: int) -> None:
    images = noise(16, 1, 192) + 0.01 * stripes(period, 192)
    result = found(images, *([8, 4, 2] if period != 3 else [3, 2]))
    assert result.pattern is not None
    assert result.pattern.shown
    assert result.pattern.period == period
    assert result.pattern.overall[0].item() == pytest.approx(0.01, rel=0.35)
    assert result.pattern.overall[1] < 0.0105
    assert result.pattern.overall[2] > 0.0085
    assert verdict(result, "grey levels").endswith(f", period {period}")


def test_one_channel_of_many_is_named() -> None:
    images = noise(20, 21, 96)
    images[:, 13] += 0.1 * stripes(2, 96)
    result = found(images, 4, 2)
    assert result.pattern is not None
    assert (result.pattern.p[:21, 1] <= 0.05).tolist() == [c == 13 for c in range(21)]
    assert result.deviation is not None
    worst = result.pattern.worst(result.deviation)
    assert worst is not None
    assert worst[0] == 13


def test_a_pattern_in_half_of_the_images_beside_constants_is_found() -> None:
    images = torch.full((16, 1, 128, 128), 0.3)
    images[::2] = noise(8, 1, 128) + 0.05 * stripes(4, 128)
    result = found(images, 8, 4, 2)
    assert result.flat == 8
    assert result.pattern is not None
    assert result.pattern.shown
    assert result.pattern.images == 16


@pytest.mark.parametrize("kind", ["the same step everywhere", "the same ramp", "constants", "bands of one curve"])
def test_what_all_images_share_is_no_grid(kind: str) -> None:
    """Without noise, so that nothing hides it: the null of random rolls alone would call all of these a grid."""
    at = torch.arange(160.0)
    image = {
        "the same step everywhere": (at > 80).float(),
        "the same ramp": at / 50,
        "constants": torch.full((160,), 0.3),
        "bands of one curve": torch.cos(at / 60),
    }[kind].expand(160, 160)
    level = torch.rand(12, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    result = found(image + level, 8, 4, 2)
    assert result.pattern is not None
    assert not result.pattern.shown
    assert verdict(result, "grey levels").startswith("none shown (below ")


def test_images_too_small_or_too_few_are_not_judged() -> None:
    result = found(noise(12, 1, 40), 8, 4, 2)
    assert result.unmeasured == {8: "needs at least 6 images of at least 59 px, has 0"}
    assert result.pattern is not None
    assert result.pattern.tested
    assert smallest(8) == 59
    few = found(noise(5, 1, 96), 4, 2)
    assert verdict(few, "grey levels") == "not measured: needs at least 6 images of at least 11 px, has 5"
    assert few.scores() == {}
    assert verdict(found(torch.zeros(0, 1, 9, 9), 2), "grey levels") == "not measured: there are no images"


def test_images_of_two_sizes_and_uint8_are_measured_together() -> None:
    large, small = noise(8, 3, 150), noise(8, 3, 64, seed=1)
    metric = GridInOutputs([16, 2])
    for images in (large, small):
        pattern = 0.05 * stripes(2, images.shape[-1])
        metric.update((128 + 40 * (images + pattern)).clamp(0, 255).to(torch.uint8))
    result = metric.result()
    assert result.unmeasured == {}
    assert result.pattern is not None
    assert result.pattern.periods == [2]
    assert result.pattern.overall[0].item() == pytest.approx(2, rel=0.1)


def test_two_processes_together_find_what_one_finds() -> None:
    images = noise(9, 2, 64) + 0.1 * stripes(2, 64)
    one, first, second = (GridInOutputs([2]) for _ in range(3))
    one.update(images)
    first.update(images[:6])
    second.update(images[6:])
    first.records.extend(second.records)
    first.images += second.images
    together, alone = first.compute(), one.compute()
    assert together["fixed"] == pytest.approx(alone["fixed"], rel=0.02)  # windows start elsewhere in three images
    assert max(together["fixed/probability"], alone["fixed/probability"]) < 0.02


def test_at_most_so_many_images_are_measured() -> None:
    metric = GridInOutputs([2], images=7)
    metric.update(noise(9, 1, 32))
    assert metric.full
    assert metric.result().images == 7
