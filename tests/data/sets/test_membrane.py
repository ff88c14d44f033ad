"""The layout of the membrane slices, on 30 tiny ones and, where they are, on the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import data
from data.files.finding import Finder
from data.loading.datamodule import DataModule
from data.sets.membrane import membrane

REAL = Path(data.__file__).parents[2] / "shared" / "data" / "membrane"
COMMON: dict[str, Any] = {
    "crop": 8, "crops_per_image": 2, "batch_size": 4, "balance": 0.0, "class_weights": "balanced", "mean": None,
    "std": None, "augment": {}, "cache": "ram", "workers": 0, "on_error": "raise", "unlabelled": "refuse",
}  # fmt: skip


def module(root: Path, fold: int) -> DataModule:
    return data.build({"name": "membrane", "root": str(root), "fold": fold} | COMMON, "labelled_images", seed=0)


def write(root: Path) -> None:
    for folder in ("image", "label"):
        (root / folder).mkdir()
    for i in range(30):
        Image.fromarray(np.full((16, 16), i, np.uint8)).save(root / "image" / f"{i}.png")
        mask = np.where(np.arange(16) < 4, 0, 255).astype(np.uint8)
        Image.fromarray(np.tile(mask, (16, 1))).save(root / "label" / f"{i}.png")


def test_five_folds_test_every_slice_once_and_none_that_chooses_or_trains(tmp_path: Path) -> None:
    write(tmp_path)
    tested: list[int] = []
    for fold in range(5):
        splits = membrane(Finder("raise", "refuse"), str(tmp_path), fold).splits
        names = {split: [int(pair.name) for pair in pairs] for split, pairs in splits.items()}
        assert sorted(names["train"] + names["val"] + names["test"]) == list(range(30))
        assert [len(names[split]) for split in ("train", "val", "test")] == [21, 3, 6]
        tested += names["test"]
    assert tested == list(range(30))  # neighbours together, 9 before 10
    with pytest.raises(ValueError, match=r"data.fold is 5; choose from 0 to 4"):
        membrane(Finder("raise", "refuse"), str(tmp_path), 5)


def test_grey_values_become_classes(tmp_path: Path) -> None:
    write(tmp_path)
    found = module(tmp_path, fold=1)
    sample = found.test[0]
    assert sample["name"] == "6"
    assert sample["image"].unique().tolist() == [6]
    assert sample["mask"][0].tolist() == [0] * 4 + [1] * 12
    assert found.info.classes == ["membrane", "cell"]
    light, heavy = found.info.class_weights[1], found.info.class_weights[0]
    assert heavy / light == pytest.approx(np.log(1.02 + 0.75) / np.log(1.02 + 0.25), abs=1e-3)
    assert len(found.train) == 42


@pytest.mark.skipif(not REAL.is_dir(), reason="the real membrane slices are not in ../shared/data")
def test_the_real_slices() -> None:
    found = module(REAL, fold=0)
    assert [len(found.train), len(found.val), len(found.test)] == [42, 3, 6]
    assert all(sample["mask"].unique().tolist() == [0, 1] for sample in found.test)
