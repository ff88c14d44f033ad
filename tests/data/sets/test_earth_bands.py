"""Four bands of the Earth: where they lie, and what is chosen of them."""

import numpy as np
import pytest
import torch

import data
from data.sets.earth import world
from data.sets.earth_bands import relief

OPTIONS = {"name": "earth_bands", "crop": 64, "step": 256, "balance": 1.0, "test_crop": 320, "batch_size": 4}
OPTIONS |= {"class_weights": [1, 1, 3], "augment": {}, "bands": "all"}


def test_relief_lies_where_the_mask_says() -> None:
    """The sea is plain in it, and mountains are not: the Andes stand out from the Amazon and the Pacific."""
    shade, mask = relief(), world()[1]
    assert shade.shape == mask.shape

    def roughness(latitude: float, longitude: float) -> float:
        row, column = int((90 - latitude) * 15), int((longitude + 180) * 15)
        part = shade[row - 15 : row + 15, column - 15 : column + 15].astype(float)
        return np.abs(np.diff(part, axis=1)).mean()

    andes, amazon, pacific = roughness(-12, -74), roughness(-4, -64), roughness(-12, -95)
    assert andes > 3 * amazon
    assert pacific < 1
    coast = shade[1350:1800, 2800:3300], mask[1350:1800, 2800:3300] == 0  # southern Africa and the sea beside it
    assert np.median(coast[0][coast[1]]) != pytest.approx(np.median(coast[0][~coast[1]]), abs=10)


@pytest.mark.parametrize(("bands", "shown"), [("all", (1, 2, 3)), ([4], (4,)), ([4, 2], (4,))])
def test_bands_are_those_asked_for_in_their_order(bands: list[int] | str, shown: tuple[int, ...]) -> None:
    loaded = data.load(OPTIONS | {"bands": bands}, "labelled_images", seed=0)
    order = [1, 2, 3, 4] if bands == "all" else bands
    sample = loaded.test[2]
    top, left = map(int, sample["name"].split("-")[1:])
    image, mask = world()
    every = np.dstack([image, relief()])[top : top + 320, left : left + 320]
    assert np.array_equal(sample["image"].numpy(), every[..., [number - 1 for number in order]].transpose(2, 0, 1))
    assert np.array_equal(sample["mask"].numpy(), mask[top : top + 320, left : left + 320])
    assert sample["image"].dtype == torch.uint8
    assert (loaded.info.channels, loaded.info.bands.show) == (len(order), shown)


@pytest.mark.parametrize("bands", [[0], [1, 1], [5], []])
def test_other_bands_are_refused(bands: list[int]) -> None:
    with pytest.raises(ValueError, match="must be different numbers out of 1 to 4, or all"):
        data.load(OPTIONS | {"bands": bands}, "labelled_images", seed=0)
