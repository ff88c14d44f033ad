import numpy as np
import pytest
import torch

from data.earth import BANDS, CLASSES, GAP, SPLIT_OF_BAND, EarthCrops, corners, world


def columns_of(split: str, size: int, step: int) -> np.ndarray:
    """The image columns that the crops of a split touch."""
    touched = np.zeros(world()[1].shape[1], bool)
    for _, x in corners(world()[1], split, size, step)[0]:
        touched[x : x + size] = True
    return np.flatnonzero(touched)


def test_image_and_mask_align() -> None:
    """Where the mask says ocean the Blue Marble is blue, and known places are what they are."""
    image, mask = world()
    assert image.shape == (2700, 5400, 3)
    assert mask.shape == (2700, 5400)
    blueness = image[..., 2].astype(int) - image[..., 0]
    assert np.median(blueness[mask == 0]) > 30
    assert np.median(blueness[mask == 1]) < 0

    def at(latitude: float, longitude: float) -> str:
        return CLASSES[mask[int((90 - latitude) * 15), int((longitude + 180) * 15)]]

    assert at(-1, 33) == "lake"  # Victoria
    assert at(47.7, -88) == "lake"  # Superior
    assert at(25, 10) == "land"  # Sahara
    assert at(0, -30) == "ocean"  # Atlantic


def test_no_test_pixel_is_near_a_training_pixel() -> None:
    train, test, val = columns_of("train", 128, 32), columns_of("test", 320, 320), columns_of("val", 320, 320)
    for other in (test, val):
        distance = np.abs(train[:, None] - other[None, :])
        around = 5400 - distance  # the Earth is round
        assert np.minimum(distance, around).min() > GAP
    assert not set(test) & set(val)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_crops_hold_coast_or_lake_and_every_class_is_there(split: str) -> None:
    size, step = (128, 64) if split == "train" else (320, 320)
    crops = EarthCrops(split, size, step, seed=0)
    assert (((crops.areas > 0).sum(1) > 1) | (crops.areas[:, 2] > 0)).all()
    assert (crops.areas.sum(0) > 0).all()
    sample = crops[0]
    assert sample["image"].shape == (3, size, size)
    assert sample["image"].dtype == sample["mask"].dtype == torch.uint8
    assert np.bincount(sample["mask"].flatten(), minlength=3) / size**2 == pytest.approx(crops.areas[0])


def test_flips_depend_on_seed_epoch_and_index_alone() -> None:
    crops = EarthCrops("train", 64, 128, seed=3)
    plain = [crops[i]["image"] for i in range(20)]
    first = [crops[(0, i)] for i in range(20)]
    again = [EarthCrops("train", 64, 128, seed=3)[(0, i)] for i in reversed(range(20))][::-1]
    flipped = [not torch.equal(a["image"], b) for a, b in zip(first, plain, strict=True)]
    assert 3 < sum(flipped) < 17
    for a, b, c, is_flipped in zip(first, again, plain, flipped, strict=True):
        assert torch.equal(a["image"], b["image"])
        assert torch.equal(a["mask"], b["mask"])
        assert not is_flipped or torch.equal(a["image"].flip(-1), c)


def test_a_crop_wider_than_its_band_is_refused() -> None:
    width = 5400 // BANDS
    with pytest.raises(ValueError, match=f"crops of {width + 1} pixels do not fit a band of {width}"):
        corners(world()[1], "test", width + 1, 64)
    assert set(SPLIT_OF_BAND) == {"train", "val", "test"}
