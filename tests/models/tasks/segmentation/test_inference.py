"""Windows, flips and scales against literal loops over whole canvases."""

import tempfile
from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import models
from models.tasks.segmentation import inference
from models.tasks.segmentation.inference import Inference, blank, reach

CONFIG = {
    "model": {"name": "unet"},
    "encoder": {"family": "plain", "width": 4, "depth": 2},
    "upsample": {"name": "deconv"},
}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A U-Net of period 4 with five classes that prints a checkerboard; its norms know the images below."""
    torch.manual_seed(0)
    built = models.build(CONFIG, 3, 5)
    with torch.no_grad():
        for _ in range(30):
            built(images(32, 32, count=4))
    return built.eval().requires_grad_(False)


def images(height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height))


def logits(windows: Inference, network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    return torch.cat([strip.clone() for strip in windows.strips(network, image)], 2)


def literal(network: nn.Module, image: Tensor, window: int, stride: int, period: int) -> Tensor:
    """Every window's logits and weights summed on canvases of the whole image in float64, and divided."""
    height, width = image.shape[-2:]

    def starts(length: int) -> list[int]:
        found = [0]
        while found[-1] + window < length:
            following = found[-1] + stride
            if following + window >= length:  # as far left as reaches the end, on the grid
                following = next(s for s in range(0, length, period) if s + window >= length)
            found.append(following)
        return found

    total = torch.zeros(1, 5, height, width, dtype=torch.float64)
    weights = torch.zeros(height, width, dtype=torch.float64)
    bell = [exp(-0.5 * ((i + 0.5 - window / 2) / (window / 8)) ** 2) for i in range(window)]
    for top in starts(height):
        for left in starts(width):
            seen = network(image[..., top : top + window, left : left + window]).detach()
            rows, columns = seen.shape[-2:]
            weight = torch.tensor([[bell[i] * bell[j] for j in range(columns)] for i in range(rows)])
            total[..., top : top + rows, left : left + columns] += seen * weight
            weights[top : top + rows, left : left + columns] += weight
    return (total / weights).float()


@pytest.mark.parametrize("size", [(37, 61), (16, 50), (50, 9), (80, 16), (64, 64)])
@pytest.mark.parametrize(("overlap", "stride"), [(0.0, 16), (0.25, 12), (0.5, 8), (0.9, 4)])
def test_strips_equal_a_literal_accumulation(
    network: nn.Module, size: tuple[int, int], overlap: float, stride: int
) -> None:
    image = images(*size)
    found = logits(Inference(4, 16, overlap), network, image)
    expected = literal(network, image, 16, stride, 4)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(Inference(4, 16, overlap).classes(network, image), found.argmax(1))


def test_every_image_of_a_batch_is_as_it_is_alone(network: nn.Module) -> None:
    batch, windows = images(30, 41, count=3), Inference(4, 16)
    alone = torch.cat([logits(windows, network, image[None]) for image in batch])
    assert torch.allclose(logits(windows, network, batch), alone, atol=1e-5)


@pytest.mark.parametrize("window", [None, 64, 1000])
@pytest.mark.parametrize("size", [(1, 1), (20, 64), (64, 33)])
def test_an_image_that_fits_is_seen_as_a_whole(network: nn.Module, window: int | None, size: tuple[int, int]) -> None:
    image = images(*size)
    assert torch.equal(logits(Inference(4, window), network, image), network(image))


@pytest.mark.parametrize("length", [17, 40, 64, 100, 101])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.8])
def test_weights_are_positive_and_add_up_to_one_in_windows_on_the_grid(length: int, overlap: float) -> None:
    total = torch.zeros(length)
    for start, weight in Inference(4, 16, overlap).placed(length):
        assert start % 4 == 0
        assert weight.min() > 0
        total[start : start + len(weight)] += weight
    assert torch.allclose(total, torch.ones(length), atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_windows_of_a_pointwise_network_equal_the_whole(flip: bool) -> None:
    torch.manual_seed(0)
    pointwise, image = nn.Conv2d(3, 4, 1), images(53, 70)
    assert torch.allclose(logits(Inference(4, 16, 0.5, flip), pointwise, image), pointwise(image), atol=1e-6)


def test_windows_equal_the_whole_far_from_seams_but_shifted_off_the_grid_they_would_not(network: nn.Module) -> None:
    """The network sees 30 pixels at most, so the middle of a window of 128 knows no border; only the grid matters."""
    image = images(128, 400)
    whole, part = network(image), logits(Inference(4, 128, 0.25), network, image)
    assert torch.allclose(whole[..., 150:170], part[..., 150:170], atol=1e-5)  # of the second one, from 96 to 224
    off_grid = network(image[..., 98:226])  # one that starts where no period does
    assert (whole[..., 150:170] - off_grid[..., 52:72]).abs().max() > 0.05


def test_a_shifted_image_gives_shifted_logits(network: nn.Module) -> None:
    """By one stride: then the same windows see the same pixels, but for the first."""
    image, windows = images(30, 90), Inference(4, 16, 0.25)
    whole, shifted = logits(windows, network, image), logits(windows, network, image[..., 12:])
    assert torch.allclose(whole[..., 16:], shifted[..., 4:], atol=1e-5)


@pytest.mark.parametrize(("window", "size"), [(None, (33, 50)), (64, (64, 33))])
def test_flips_and_scales_are_the_mean_of_a_literal_loop(
    network: nn.Module, window: int | None, size: tuple[int, int]
) -> None:
    image, seen = images(*size), []
    for scale in (0.5, 1.0, 1.5):
        resized = F.interpolate(image, size=[round(n * scale) for n in size], mode="bilinear", antialias=True)
        seen.append(network(resized))
        seen.append(network(resized.flip(3)).flip(3))
    expected = sum(F.interpolate(each, size=size, mode="bilinear", antialias=True) for each in seen) / 6
    found = logits(Inference(4, window, flip=True, scales=[0.5, 1.0, 1.5]), network, image)
    assert torch.allclose(found, expected, atol=1e-5)


def test_scaled_windows_start_where_the_scaled_grid_does(network: nn.Module) -> None:
    """At 0.75 a period of 4 pixels spans 16/3 of the image's, so windows start at multiples of 16."""
    windows = Inference(4, 50, 0.4, scales=[0.75, 1.0])
    assert (windows.unit, windows.window, windows.stride) == (16, 48, 16)
    assert [start for start, _ in windows.placed(101)] == [0, 16, 32, 48, 64]
    image = images(20, 101)
    alone = [logits(Inference(16, 48, 0.5, scales=[scale]), network, image) for scale in (1.0,)]
    three_quarters = Inference(4, 48, 0.5, scales=[0.75])
    assert three_quarters.unit == 16
    alone.append(logits(three_quarters, network, image))
    assert torch.allclose(logits(windows, network, image), (alone[0] + alone[1]) / 2, atol=1e-5)


def test_uint8_images_may_be_scaled(network: nn.Module) -> None:
    image = torch.randint(0, 256, (1, 3, 20, 30), dtype=torch.uint8)

    def normalising(x: Tensor) -> Tensor:
        return network(x.float() / 255 if x.dtype == torch.uint8 else x)

    windows = Inference(4, 16, scales=[0.5, 1.0])
    assert torch.allclose(logits(windows, normalising, image), logits(windows, network, image / 255), atol=1e-5)


def test_logits_are_blended_in_float32(network: nn.Module) -> None:
    image, windows = images(20, 50), Inference(4, 16, 0.5, flip=True, scales=[1.0, 1.25])
    with torch.autocast("cpu", torch.bfloat16):
        half = logits(windows, network, image)
    assert half.dtype == torch.float32
    assert 0 < (half - logits(windows, network, image)).abs().max() < 0.1


def test_what_memory_does_not_hold_lies_in_a_file_that_goes_away(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image, windows = images(60, 50), Inference(4, 16, 0.5)
    expected = logits(windows, network, image)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(inference, "IN_MEMORY", 0)
    mapped = []

    def kept(*arguments: Any) -> Tensor:
        mapped.append(blank(*arguments))
        return mapped[-1]

    monkeypatch.setattr(inference, "blank", kept)
    assert torch.equal(logits(windows, network, image), expected)
    assert [tensor.shape for tensor in mapped] == [(16, 1, 5, 50)]
    assert mapped[0].untyped_storage().filename is not None
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no room for 4000000\.0 GB of logits; choose a smaller task.inference"):
        blank((10**6, 10**3, 10**6), torch.device("cpu"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 7}, r"window=7 is too small: windows of a network of period 8 .* are multiples of 8 pixels"),
        ({"window": 16, "scales": [0.75]}, r"at the scales \[0.75\] are multiples of 32 pixels"),
        ({"overlap": 1.0}, r"task.inference.overlap must lie in \[0, 1\), not 1.0"),
        ({"overlap": -0.1}, r"task.inference.overlap must lie in \[0, 1\)"),
        ({"scales": []}, r"task.inference.scales must be one or more numbers from 0 to 8, 0 excluded, not \[\]"),
        ({"scales": [1.0, 0]}, r"task.inference.scales must be one or more numbers from 0 to 8"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Inference(8, **options)


def test_what_is_rounded_is_said() -> None:
    assert Inference(8, 512, 0.25).notes() == []
    assert Inference(8).notes() == []
    (note,) = Inference(8, 500, 0.3).notes()
    assert note == "Windows of 496 pixels every 344: rounded down to multiples of 8"


@pytest.mark.parametrize("size", [(150, 131), (97, 64)])
def test_windows_that_leave_out_what_their_borders_reach_join_as_the_whole(
    network: nn.Module, size: tuple[int, int]
) -> None:
    far = reach(network, 3, 96, 4)
    assert far is not None
    image = images(*size)
    whole = network(image)
    assert (logits(Inference(4, 64, margin=far), network, image) - whole).abs().max() < 1e-6 * whole.abs().max()
    assert (logits(Inference(4, 64), network, image) - whole).abs().max() > 1e-4 * whole.abs().max()


def test_the_reach_is_that_of_the_kernels() -> None:
    convolutions = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.MaxPool2d(3, 1), nn.Conv2d(4, 2, 3, dilation=2))
    padded = nn.Sequential(nn.ZeroPad2d(5), convolutions)  # 2 + 1 + 2
    assert reach(padded, 3, 32, 1) == 5
    assert reach(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4)), 3, 32, 1) is None
    with pytest.raises(ValueError, match=r"window=16 is too small: 8 pixels at each border .* must be 20 or more"):
        Inference(2, 16, margin=8)
