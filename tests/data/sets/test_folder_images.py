from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data
from data.loading.datamodule import DataModule
from data.loading.loaded import ClassedImages
from tests.tiny import configuration


def images(folder: Path, levels: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for level in levels:
        Image.new("RGB", (40 + level, 70), (level,) * 3).save(folder / f"{level:03d}.png")


def build(root: Path, *overrides: str) -> DataModule:
    config = configuration("data=folder", "model=dcgan", f"data.root='{root}'", *overrides)
    return data.build(config["data"], "images_of_one_size", seed=0)


def levels(module: DataModule, split: str) -> list[int]:
    samples = getattr(module, split)
    found = [samples[i] for i in range(len(samples))]
    assert all(sample["image"].shape == (3, 32, 32) for sample in found)
    assert [int(sample["name"].rsplit("/")[-1]) for sample in found] == [s["image"].max() for s in found]
    return [int(sample["image"].max()) for sample in found]


@pytest.mark.parametrize("layout", ["", "images", "one/and another"])
def test_all_images_below_a_folder_are_split(tmp_path: Path, layout: str) -> None:
    images(tmp_path / layout, range(20))
    module = build(tmp_path)
    splits = [levels(module, split) for split in ("train", "val", "test")]
    assert [len(found) for found in splits] == [14, 3, 3]
    assert sorted(splits[0] + splits[1] + splits[2]) == list(range(20))
    assert "Split at random by data.split_seed=0: 14 train, 3 val, 3 test" in module.notes


def test_the_seed_of_the_run_leaves_the_split_alone(tmp_path: Path) -> None:
    images(tmp_path, range(20))
    tested = levels(build(tmp_path), "test")
    assert levels(build(tmp_path, "seed=1"), "test") == tested
    assert levels(build(tmp_path, "data.split_seed=1"), "test") != tested


def test_a_generator_is_shown_images_mirrored_but_not_coloured_or_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 32).astype(np.uint8)  # brighter to the right
    for i in range(10):
        Image.fromarray(np.broadcast_to(ramp, (32, 32)).copy()).save(tmp_path / f"{i}.png")
    module = build(tmp_path, "data/augment=strong", "task.batch_size=1", "data.crop=32")
    loader = module.train_dataloader()
    seen = [batch["image"][0] for _ in range(3) for batch in loader]
    assert {image[0, 0, 0].item() for image in seen} == {0, 255}
    for image in seen:
        assert np.array_equal(np.sort(image[0, 5].numpy()), ramp)


@pytest.mark.parametrize("within", ["", "images"])
def test_folders_for_the_splits_are_kept_to_and_masks_left_alone(tmp_path: Path, within: str) -> None:
    for split, which in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 11))):
        images(tmp_path / split / within, which)
        if within:
            images(tmp_path / split / "masks", range(200, 210))
    module = build(tmp_path)
    assert [levels(module, split) for split in ("train", "val", "test")] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7],
        [8, 9, 10],
    ]


def test_folders_of_images_are_classes(tmp_path: Path) -> None:
    for name, which in (("b cats", range(8)), ("a/dogs", range(8, 14)), ("a/wolves", range(14, 20))):
        images(tmp_path / name, which)
    module = build(tmp_path)
    assert isinstance(module.info, ClassedImages)
    assert module.info.classes == ["a", "b cats"]
    splits = [getattr(module, split) for split in ("train", "val", "test")]
    seen = {int(s[i]["image"].max()): s[i]["class"] for s in splits for i in range(len(s))}
    assert seen == {level: int(level < 8) for level in range(20)}


def test_images_beside_folders_and_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    for name, which in (("cats", range(8)), ("dogs", range(8, 19)), ("", range(19, 20))):
        images(tmp_path / "mixed" / name, which)
    for split, which in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 11))):
        images(tmp_path / "splits" / split, which)
        images(tmp_path / "both" / split / "x", which)
        images(tmp_path / "both" / split / "y", range(100, 102))
    assert not isinstance(build(tmp_path / "mixed").info, ClassedImages)
    assert not isinstance(build(tmp_path / "splits").info, ClassedImages)
    both = build(tmp_path / "both")
    assert both.info.classes == ["x", "y"]
    assert [both.val[i]["class"] for i in range(4)] == [0, 0, 1, 1]


def test_images_that_would_have_to_be_enlarged_are_refused_or_skipped(tmp_path: Path) -> None:
    images(tmp_path, range(20))
    Image.new("RGB", (60, 31)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"small.png of 31 x 60 pixels is smaller than data.crop=32"):
        build(tmp_path)
    module = build(tmp_path, "data.on_error=skip")
    assert len(module.skipped) == 1
    assert sum(len(levels(module, split)) for split in ("train", "val", "test")) == 20
