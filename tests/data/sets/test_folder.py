"""A folder of one's own: what is found in it, how it is split, and that caches and workers change no pixel."""

import errno
import os
import unicodedata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import data
import data.loading.cache
from data.loading.datamodule import DataModule
from tests.tiny import configuration


def module(root: Path, *overrides: str) -> DataModule:
    config = configuration("data=folder", f"data.root='{root}'", "data.crop=8", "data.batch_size=2", *overrides)
    return data.build(config["data"], "labelled_images", seed=0)


def write(root: Path, count: int, labels: tuple[int, ...] = (0, 1), suffix: str = ".png") -> list[NDArray[np.uint8]]:
    """Pairs in root/images and root/masks, 12 x 10 pixels; the labels lie in rows. Returns the images."""
    random, images = np.random.default_rng(0), []
    mask = np.array(labels, np.uint8)[np.arange(12) * len(labels) // 12][:, None].repeat(10, 1)
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for i in range(count):
        images.append(random.integers(0, 256, (12, 10, 3), np.uint8))
        Image.fromarray(images[-1]).save(root / "images" / f"{i:02d}.png")
        Image.fromarray(mask).save(root / "masks" / f"{i:02d}{suffix}")
    return images


def names(samples: Any) -> list[str]:
    return [samples[i]["name"] for i in range(len(samples))]


def test_without_sub_folders_it_is_split_by_a_seed_that_is_not_the_run_s(tmp_path: Path) -> None:
    write(tmp_path, 20)
    found = module(tmp_path)
    parts = [names(samples) for samples in (found.train, found.val, found.test)]
    assert [len(part) for part in parts] == [14, 3, 3]
    assert sorted(chain(*parts)) == [f"{i:02d}" for i in range(20)]
    assert names(module(tmp_path, "seed=5").test) == parts[2] != names(module(tmp_path, "data.split_seed=1").test)
    assert any("Split at random by data.split_seed=0: 14 train, 3 val, 3 test" in note for note in found.notes)


def test_sub_folders_are_the_splits_and_what_is_missing_is_said(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("val", 2)):
        write(tmp_path / split, count)
    found = module(tmp_path)
    assert [len(s) for s in (found.train, found.val, found.test)] == [6, 2, 2]
    assert "There is no test folder: the validation images serve as test images" in " ".join(found.notes)
    (tmp_path / "train").rename(tmp_path / "trained")
    with pytest.raises(ValueError, match="has val, but no train folder"):
        module(tmp_path)


@pytest.mark.parametrize(
    ("stored", "overrides", "classes", "expected"),
    [
        ((0, 1, 2), [], ["0", "1", "2"], [0, 1, 2]),
        ((0, 1, 255), [], ["0", "1"], [0, 1, 255]),
        ((0, 255), [], ["0", "255"], [0, 1]),  # a binary mask as most programs write it
        ((10, 20, 30), [], ["10", "20", "30"], [0, 1, 2]),
        ((0, 1, 2), ["data.ignore_index=0"], ["1", "2"], [255, 0, 1]),
    ],
)
def test_classes_are_found_in_the_masks(
    stored: tuple[int, ...], overrides: list[str], classes: list[str], expected: list[int], tmp_path: Path
) -> None:
    write(tmp_path, 8, stored)
    found = module(tmp_path, *overrides)
    assert found.info.classes == classes
    assert found.info.ignore_index == 255
    assert found.test[0]["mask"][:, 0].unique_consecutive().tolist() == expected


def test_classes_txt_names_labels_and_the_ignored_one_is_no_class(tmp_path: Path) -> None:
    write(tmp_path, 8, (0, 1, 2))
    (tmp_path / "classes.txt").write_text("\ufeffbackground\r\nroad surface\r\nStraße\r\n\r\n", encoding="utf-8")
    assert module(tmp_path).info.classes == ["background", "road surface", "Straße"]
    found = module(tmp_path, "data.ignore_index=0")
    assert found.info.classes == ["road surface", "Straße"]
    assert found.test[0]["mask"][:, 0].unique_consecutive().tolist() == [255, 0, 1]
    (tmp_path / "classes.txt").write_text("a\nb\na\n")
    with pytest.raises(ValueError, match=r"classes.txt must name each class .* line 3 is empty or repeats a name"):
        module(tmp_path)


def test_an_rgb_mask_goes_through_the_colour_map(tmp_path: Path) -> None:
    write(tmp_path, 8)
    red, green, black = (200, 0, 0), (0, 200, 0), (0, 0, 0)
    for path in (tmp_path / "masks").iterdir():
        rows = np.array([red] * 4 + [green] * 4 + [black] * 4, np.uint8)
        Image.fromarray(rows[:, None].repeat(10, 1)).save(path)
    found = module(tmp_path, "data.colours={road: [0, 200, 0], car: [200, 0, 0], ignore: [0, 0, 0]}")
    assert found.info.classes == ["road", "car"]
    assert found.test[0]["mask"][:, 0].tolist() == [1] * 4 + [0] * 4 + [255] * 4
    for wrong, told in (
        ("{a: [1, 2]}", "data.colours.a is"),
        ("{a: [1, 2, 3], b: [1, 2, 3]}", "gives one colour to two classes"),
    ):
        with pytest.raises(ValueError, match=told):
            module(tmp_path, f"data.colours={wrong}")


def test_lossy_masks_are_warned_of_or_refused(tmp_path: Path) -> None:
    write(tmp_path, 8, suffix=".jpg")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert any("8 masks are JPEG" in note for note in module(tmp_path).notes)
    smooth = np.arange(120, dtype=np.uint8).reshape(12, 10)
    Image.fromarray(smooth).save(tmp_path / "masks" / "00.jpg")
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(ValueError, match=r"hold \d+ different numbers, .*edges that were smoothed, or saved as JPEG"):
        module(tmp_path)


def test_names_pair_however_their_letters_are_composed_and_in_deeper_folders(tmp_path: Path) -> None:
    write(tmp_path, 6)
    for part, form in (("images", "NFC"), ("masks", "NFD")):
        deeper = tmp_path / part / "sunny day"
        deeper.mkdir()
        name = unicodedata.normalize(form, "é [1].PNG")
        os.rename(tmp_path / part / "00.png", deeper / name)
        (tmp_path / part / ".DS_Store").write_text("not for you")
        (tmp_path / part / "notes.txt").write_text("nor this")
    found = module(tmp_path)
    every = [*chain(*(names(samples) for samples in (found.train, found.val, found.test)))]
    assert "sunny day/é [1]" in every
    assert len(every) == 6


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the disk cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "evenly"


def epoch(found: DataModule) -> list[Any]:
    loader = found.train_dataloader()
    loader.sampler.set_epoch(3)
    return [*loader, *found.val_dataloader()]


def test_caches_and_workers_change_no_pixel(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "set", 9, (0, 1, 2))
    Image.fromarray(np.zeros((30, 7, 3), np.uint8)).save(tmp_path / "set" / "images" / "03.png")
    Image.fromarray(np.ones((30, 7), np.uint8)).save(tmp_path / "set" / "masks" / "03.png")
    strong = "data/augment=strong"
    expected = epoch(module(tmp_path / "set", strong))
    assert len(expected) > 3
    for cache in ("ram", "disk", "none"):
        for workers in (0, 2):
            found = epoch(module(tmp_path / "set", strong, f"data.cache={cache}", f"data.workers={workers}"))
            for one, other in zip(expected, found, strict=True):
                assert one["name"] == other["name"]
                assert torch.equal(one["image"], other["image"])
                assert torch.equal(one["mask"], other["mask"])


def test_the_disk_cache_is_written_once_and_again_when_a_file_changes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = write(tmp_path / "set", 6)
    module(tmp_path / "set", "data.cache=disk")
    (kept,) = home.iterdir()
    assert kept.stat().st_size == 6 * (4 * 12 * 10 + 32)
    before = kept.stat().st_mtime_ns
    found = module(tmp_path / "set", "data.cache=disk")
    assert [path.stat().st_mtime_ns for path in home.iterdir()] == [before]
    for samples in (found.train, found.val, found.test):
        for i in range(len(samples)):
            stored = images[int(samples[i]["name"])]
            assert np.array_equal(samples[i]["image"].permute(1, 2, 0).numpy(), stored)
    Image.fromarray(255 - images[0]).save(tmp_path / "set" / "images" / "00.png", compress_level=1)
    module(tmp_path / "set", "data.cache=disk")
    assert len(list(home.iterdir())) == 2

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(ValueError, match=r"data.cache=disk needs .* GB in .*; set data.cache=none, or XDG_CACHE_HOME"):
        module(tmp_path / "set", "data.cache=disk", "data.ignore_index=0")
    assert len(list(home.iterdir())) == 2


def test_what_does_not_fit_the_memory_is_read_again_and_this_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 6)
    monkeypatch.setattr(data.loading.cache, "free_memory", lambda: 3000)
    found = module(tmp_path)
    assert "data.cache=ram would take 0.0 GB, but 0.0 GB are free: files are decoded again" in capsys.readouterr().out
    assert found.train[0]["image"].shape == (3, 12, 10)


def test_weights_mean_and_balance_are_counted_in_training_images(tmp_path: Path) -> None:
    images = write(tmp_path, 12, (0, 0, 0, 1))
    found = module(tmp_path)
    pixels = np.concatenate([images[int(name)].reshape(-1, 3) for name in names(found.train)]) / 255
    assert found.info.mean == pytest.approx(pixels.mean(0))
    assert found.info.std == pytest.approx(pixels.std(0))
    raw = 1 / np.log(1.02 + np.array([0.75, 0.25]))
    assert found.info.class_weights == pytest.approx(raw / raw.mean(), abs=1e-4)
    given = module(tmp_path, "data.mean=[0.1, 0.2, 0.3]", "data.std=[1, 1, 1]", "data.class_weights=[2, 5]").info
    assert (given.mean, given.std, given.class_weights) == ((0.1, 0.2, 0.3), (1, 1, 1), [2, 5])
    assert module(tmp_path, "data.class_weights=equal").info.class_weights == [1, 1]
    with pytest.raises(
        ValueError, match=r"data.class_weights must be balanced or equal or a list \(a number each\), not 'rare'"
    ):
        module(tmp_path, "data.class_weights=rare")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.on_error=ignore", r"data.on_error is 'ignore', which does not exist; choose from raise, skip"),
        (
            "data.unlabelled=keep",
            r"data.unlabelled is 'keep', which does not exist; choose from refuse, skip",
        ),
        ("data.cache=gpu", r"data.cache is 'gpu', which does not exist; choose from ram, disk, none"),
        ("data.ignore_index=never", r"data.ignore_index must be .* auto or none, not 'never'"),
        ("data.val_share=0.9", r"data.val_share=0.9 and data.test_share=0.15 leave nothing to train on"),
        ("data.crops_per_image=0", r"data.crops_per_image must be a whole number of at least 1, not 0"),
    ],
)
def test_wrong_options_are_named(override: str, told: str, tmp_path: Path) -> None:
    write(tmp_path, 6)
    with pytest.raises(ValueError, match=told):
        module(tmp_path, override)
