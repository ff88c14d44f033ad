from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import data
from data.loading.datamodule import DataModule


def folder_of(tmp_path: Path, count: int, name: str = "photos", suffix: str = "") -> Path:
    """A folder of small colour images, each of its own size and content."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    random = np.random.default_rng(count)
    for i in range(count):
        pixels = random.integers(0, 256, (30 + i, 40 - i, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"img_{i:03d}{suffix}.png")
    return folder


def options(root: Path | None, test_root: Path | None = None, **others: Any) -> dict[str, Any]:
    folders = {"root": root and str(root), "test_root": test_root and str(test_root)}
    how = {"crop": 16, "crops_per_image": 5, "batch_size": 4, "cache": "ram", "workers": 0, "on_error": "raise"}
    how["augment"] = {"vertical_flip": 0.5, "horizontal_flip": 0.5, "transpose": 0.5}
    return {"name": "photos", "scale": 2} | folders | how | others


def build(*arguments: Any, **others: Any) -> DataModule:
    return data.build(options(*arguments, **others), "high_resolution_images", seed=others.get("seed", 0))


def names(module: DataModule, split: str) -> list[str]:
    samples = getattr(module, split)
    return list(dict.fromkeys(samples[i]["name"] for i in range(len(samples))))


def test_every_image_is_in_one_split_and_a_folder_to_test_on_frees_its_share(tmp_path: Path) -> None:
    root, other = folder_of(tmp_path, 20), folder_of(tmp_path, 3, "other")
    alone = build(root)
    splits = [names(alone, split) for split in ("train", "val", "test")]
    assert [len(split) for split in splits] == [16, 2, 2]
    assert sorted(splits[0] + splits[1] + splits[2]) == [f"img_{i:03d}" for i in range(20)]
    tested = build(root, other)
    assert names(tested, "train") == sorted(splits[0] + splits[2])
    assert names(tested, "val") == splits[1]
    assert [tuple(tested.test[i]["image"].shape) for i in range(3)] == [(3, 30 + i, 40 - i) for i in range(3)]


@pytest.mark.parametrize("cache", ["ram", "disk", "none"])
def test_batches_are_crops_in_training_and_single_whole_images_elsewhere(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = folder_of(tmp_path, 10)
    module = build(root, cache=cache)
    assert [tuple(b["image"].shape) for b in module.train_dataloader()] == [(4, 3, 16, 16)] * (8 * 5 // 4)
    (test,) = module.test_dataloader()
    with Image.open(root / "img_004.png") as picture:
        assert np.array_equal(test["image"][0].permute(1, 2, 0).numpy(), np.array(picture))
    assert test["name"] == ["img_004"]
    assert module.info.channels == 3
    with pytest.raises(ValueError, match="data=photos has no labelled images"):
        data.build(options(root), "labelled_images", seed=0)
    with pytest.raises(ValueError, match=r"data=photos has no images of one size; choose from celeba, .*earth"):
        data.build(options(root), "images_of_one_size", seed=0)


def test_training_takes_pieces_of_every_image_in_all_eight_symmetries(tmp_path: Path) -> None:
    root, seen, drawn = folder_of(tmp_path, 10), set(), []
    module = build(root, crops_per_image=10)
    for batch in module.train_dataloader():
        drawn += batch["name"]
        for crop, name in zip(batch["image"], batch["name"], strict=True):
            with Image.open(root / f"{name}.png") as picture:
                image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
            pieces = image.unfold(1, 16, 1).unfold(2, 16, 1)
            turns = [t.flip(d) for t in (crop, crop.transpose(1, 2)) for d in ((), (1,), (2,), (1, 2))]
            found = [k for k, t in enumerate(turns) if (pieces == t[:, None, None]).all(-1).all(-1).all(0).any()]
            assert len(found) == 1
            seen |= set(found)
    assert sorted(drawn) == sorted(10 * names(module, "train"))
    assert len(seen) == 8


def test_mean_and_deviation_are_those_of_the_training_images(tmp_path: Path) -> None:
    root = folder_of(tmp_path, 10)
    module = build(root)
    images = [np.array(Image.open(root / f"{name}.png")).reshape(-1, 3) for name in names(module, "train")]
    pixels = np.concatenate(images) / 255
    assert module.info.mean == pytest.approx(pixels.mean(0))
    assert module.info.std == pytest.approx(pixels.std(0))


@pytest.mark.parametrize("layout", ["", "HR", "image_SRF_2", "image_SRF_3"])
def test_benchmarks_are_found_in_the_layouts_they_come_in(tmp_path: Path, layout: str) -> None:
    root, top = folder_of(tmp_path, 10), tmp_path / "Set5"
    folder_of(top, 3, layout, "_HR" if "SRF" in layout else "")
    if layout == "HR":
        folder_of(top, 4, "LR_bicubic/X2")
    if "SRF" in layout:  # beside what others made of them, and the same for another scale
        for i in range(3):
            write = Image.new("RGB", (15, 20))
            write.save(top / layout / f"img_{i:03d}_LR.png")
            write.save(top / layout / f"img_{i:03d}_bicubic.png")
        folder_of(top, 2, "image_SRF_4", "_HR")
    module = build(root, top, scale=3 if layout == "image_SRF_3" else 2)
    assert names(module, "test") == ["img_000", "img_001", "img_002"]
    assert [tuple(module.test[i]["image"].shape) for i in range(3)] == [(3, 30 + i, 40 - i) for i in range(3)]
    if "SRF" in layout:
        with pytest.raises(ValueError, match=r"data.test_root=.*Set5 holds no image_SRF_8 for scale 8"):
            build(root, top, scale=8)


def test_what_cannot_be_used_is_refused_or_skipped(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.root is not set; .* data.root=path/to"):
        build(None)
    with pytest.raises(ValueError, match="holds too few images: none is left for val; give it at least ten"):
        build(folder_of(tmp_path, 4, "few"))
    root = folder_of(tmp_path, 10)
    with pytest.raises(ValueError, match=r"data.test_root=.*gone is no folder"):
        build(root, tmp_path / "gone")
    with pytest.raises(ValueError, match=r"data.crop=33 does not fit .*img_000.png of 30 x 40 pixels; .* 1 to 30"):
        build(root, crop=33)
    with pytest.raises(ValueError, match=r"data.crops_per_image must be a whole number of at least 1, not 0"):
        build(root, crops_per_image=0)
    (root / "img_002.png").write_bytes((root / "img_002.png").read_bytes()[:-60])
    with pytest.raises(ValueError, match=r"img_002.png is cut short"):
        build(root)
    module = build(root, on_error="skip")
    assert [sentence for sentence in module.skipped if "img_002.png is cut short" in sentence]
    assert len(names(module, "train")) == 7
