import numpy as np
import pytest
import torch

import data
from data.sets.earth import BANDS, CLASSES, GAP, SPLIT_OF_BAND, corners, world

OPTIONS = {"name": "earth", "crop": 64, "step": 128, "balance": 0, "test_crop": 320, "batch_size": 20}
OPTIONS |= {"class_weights": [1, 1, 1], "augment": {}}


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
    areas = corners(world()[1], split, size, step)[1]
    assert (((areas > 0).sum(1) > 1) | (areas[:, 2] > 0)).all()
    assert (areas.sum(0) > 0).all()
    loaded = data.load(OPTIONS | {"crop": 128, "step": 64}, "labelled_images", seed=0)
    sample = getattr(loaded, split)[0]
    assert sample["image"].shape == (3, size, size)
    assert sample["image"].dtype == sample["mask"].dtype == torch.uint8
    assert np.bincount(sample["mask"].flatten(), minlength=3) / size**2 == pytest.approx(areas[0])


def test_training_mirrors_half_of_the_crops_and_does_nothing_else() -> None:
    module = data.build(OPTIONS | {"augment": {"horizontal_flip": 0.5}}, "labelled_images", seed=3)
    batch = next(iter(module.train_dataloader()))
    plain = {sample["name"]: sample for sample in map(module.train.__getitem__, range(len(module.train)))}
    mirrored = 0
    for image, mask, name in zip(batch["image"], batch["mask"], batch["name"], strict=True):
        is_mirrored = not torch.equal(image, plain[name]["image"])
        mirrored += is_mirrored
        assert torch.equal(image.flip(-1) if is_mirrored else image, plain[name]["image"])
        assert torch.equal(mask.flip(-1) if is_mirrored else mask, plain[name]["mask"])
    assert 3 < mirrored < 17


def test_a_crop_wider_than_its_band_is_refused() -> None:
    width = 5400 // BANDS
    with pytest.raises(ValueError, match=f"crops of {width + 1} pixels do not fit a band of {width}"):
        corners(world()[1], "test", width + 1, 64)
    assert set(SPLIT_OF_BAND) == {"train", "val", "test"}
