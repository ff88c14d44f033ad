from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.loading.crop import PADDING, cut, extent, pixel_of_a_class, position
from data.loading.sampler import balanced


def draws(*arguments: Any, count: int = 2000) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.array([extent(*(*arguments, random)) for _ in range(count)])


def test_scale_halves_as_often_as_it_doubles_and_the_window_is_its_inverse() -> None:
    height, width = draws(300, 400, 100, (0.5, 2.0), None, (1.0, 1.0)).T
    assert (height == width).all()
    assert (height.min(), height.max()) == (50, 200)
    assert np.median(height) == pytest.approx(100, rel=0.05)
    assert draws(30, 40, 100, (1.0, 1.0), None, (1.0, 1.0), count=1).tolist() == [[100, 100]]


def test_area_is_a_share_of_the_image_and_aspect_is_width_by_height() -> None:
    height, width = draws(300, 400, 100, (1.0, 1.0), (0.1, 0.5), (0.5, 2.0)).T
    share = height * width / (300 * 400)
    assert share.min() == pytest.approx(0.1, abs=0.01)
    assert share.max() == pytest.approx(0.5, abs=0.01)
    assert share.mean() == pytest.approx(0.3, abs=0.02)
    assert (width / height).min() == pytest.approx(0.5, abs=0.02)
    assert np.median(width / height) == pytest.approx(1, abs=0.05)
    height, width = draws(300, 400, 100, (1.0, 1.0), (1.0, 1.0), (0.2, 5.0)).T
    assert height.max() == 300  # never beyond the image
    assert width.max() == 400


@pytest.mark.parametrize(("length", "window", "low", "high"), [(10, 7, 0, 3), (7, 7, 0, 0), (7, 10, -3, 0)])
def test_every_position_is_as_likely_and_one_pixel_may_be_asked_for(
    length: int, window: int, low: int, high: int
) -> None:
    random = np.random.default_rng(0)
    counts = np.unique([position(length, window, None, random) for _ in range(1000)], return_counts=True)
    assert counts[0].tolist() == list(range(low, high + 1))
    assert counts[1].min() > 0.7 * 1000 / (high - low + 1)
    for pixel in range(length):
        starts = {position(length, window, pixel, random) for _ in range(100)}
        assert all(start <= pixel < start + window and low <= start <= high for start in starts)


def test_with_the_balanced_sampler_every_class_is_met_as_often() -> None:
    masks = torch.zeros(4, 20, 20, dtype=torch.uint8)
    masks[1:, 4] = 1
    masks[3, 3, 5:8] = 2  # 3 of 1600 pixels
    masks[:, :2] = 255
    areas = np.array([np.bincount(mask.flatten(), minlength=256)[:3] for mask in masks]) / 360
    random, met = np.random.default_rng(0), np.zeros(256)
    for index in random.choice(4, 3000, p=balanced(areas, 1.0)):
        pixel = pixel_of_a_class(masks[index], areas.sum(0), 255, random)
        assert pixel is not None
        met[masks[index][pixel]] += 1
    assert met[:3] == pytest.approx([1000] * 3, rel=0.1)
    assert met.sum() == 3000
    assert pixel_of_a_class(masks[0][:2], None, 255, random) is None


def sample(height: int, width: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    return {"image": image, "mask": image[0] % 7}


@pytest.mark.parametrize(("height", "width"), [(41, 30), (90, 100), (21, 70)])
def test_a_window_is_resized_as_pillow_resizes_it(height: int, width: int) -> None:
    planes = sample(100, 120)
    found = cut(planes, 7, 11, height, width, 50, None)
    window = planes["image"][:, 7 : 7 + height, 11 : 11 + width].permute(1, 2, 0).numpy()
    expected = np.array(Image.fromarray(window).resize((50, 50), Image.Resampling.BILINEAR))
    assert np.abs(found["image"].permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1
    mask = planes["mask"][7 : 7 + height, 11 : 11 + width].numpy()
    assert np.array_equal(found["mask"], np.array(Image.fromarray(mask).resize((50, 50), Image.Resampling.NEAREST)))


def test_beyond_the_image_lies_grey_that_is_ignored_and_the_image_keeps_its_place() -> None:
    planes = sample(4, 6)
    found = cut(planes, -3, -2, 10, 10, 10, 255)
    assert torch.equal(found["image"][:, 3:7, 2:8], planes["image"])
    assert torch.equal(found["mask"][3:7, 2:8], planes["mask"])
    outside = torch.ones(10, 10, dtype=torch.bool)
    outside[3:7, 2:8] = False
    assert (found["image"][:, outside] == PADDING).all()
    assert (found["mask"][outside] == 255).all()
    twice = cut(planes, -3, -2, 10, 10, 20, 255)
    assert torch.equal(twice["mask"], found["mask"].repeat_interleave(2, 0).repeat_interleave(2, 1))
    with pytest.raises(ValueError, match="a crop of 10 x 10 pixels does not fit an image of 4 x 6; set a smaller"):
        cut(planes, -3, -2, 10, 10, 10, None, beyond_image=False)


def test_a_sliver_of_an_image_does_not_vanish() -> None:
    found = cut(sample(1, 300), -100, 0, 200, 200, 16, 255)
    assert (found["mask"] != 255).sum() == 16
