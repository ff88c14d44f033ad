"""CamVid's layout, on four tiny frames and, where they are, on the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import data
from data.loading.datamodule import DataModule
from tests.tiny import configuration

ROOT = Path(data.__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "camvid"


def section(*overrides: str) -> dict[str, Any]:
    return configuration(*overrides)["data"]


def module(root: Path, *overrides: str) -> DataModule:
    return data.build(section("data=camvid", f"data.root='{root}'", *overrides), "labelled_images", seed=0)


def write(root: Path, splits: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Frames of 20 x 30 pixels; returns the masks by split and name."""
    random, masks = np.random.default_rng(0), {}
    for split in splits:
        for name in ("0001TP_006690", "0016E5_08129"):
            for folder in (split, f"{split}annot"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            masks[f"{split}/{name}"] = mask = random.integers(0, 12, (20, 30), np.uint8)
            Image.fromarray(mask).save(root / f"{split}annot" / f"{name}.png")
            Image.fromarray(random.integers(0, 256, (20, 30, 3), np.uint8)).save(root / split / f"{name}.png")
    return masks


def test_the_published_layout_is_read_with_void_ignored(tmp_path: Path) -> None:
    masks = write(tmp_path, ("train", "val", "test"))
    found = module(tmp_path)
    assert found.info.classes[3] == "road"
    assert found.info.ignored == (11,)
    assert len(found.info.classes) == len(set(found.info.palette)) == 11
    for split in ("train", "val", "test"):
        samples = getattr(found, split)
        assert [samples[i]["name"] for i in range(2)] == ["0001TP_006690", "0016E5_08129"]
        for i in range(2):
            stored = masks[f"{split}/{samples[i]['name']}"]
            assert np.array_equal(samples[i]["mask"].numpy(), np.where(stored == 11, 255, stored))
    assert len(found.notes) == 1
    assert "Ignored in the 2 training images: " in found.notes[0]


def test_without_a_test_folder_validation_serves_and_this_is_said(tmp_path: Path) -> None:
    write(tmp_path, ("train", "val"))
    found = module(tmp_path)
    assert torch.equal(found.test[0]["image"], found.val[0]["image"])
    assert found.notes[0] == f"{tmp_path} has no test folder: the validation images serve as test images too"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path, ("train",))
    with pytest.raises(ValueError, match=r"CamVid's val=.*val is no folder"):
        module(tmp_path)
    with pytest.raises(ValueError, match=r"data.root is not set; .* data.root=path/to/folder"):
        data.build(section("data=camvid"), "labelled_images", seed=0)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CamVid is not in ../shared/data")
def test_the_real_frames() -> None:
    found = module(REAL)
    assert [len(samples) for samples in (found.train, found.val, found.test)] == [367, 101, 101]
    (batch, *_) = found.train_dataloader()
    assert batch["image"].shape == (8, 3, 128, 128)
    assert batch["mask"].shape == (8, 128, 128)
    (batch, *_) = found.val_dataloader()
    assert batch["image"].shape == (8, 3, 360, 480)
    assert set(batch["mask"].unique().tolist()) <= {*range(11), 255}
    assert found.info.mean == pytest.approx((0.41, 0.43, 0.43), abs=0.02)
