"""Pairs of one's own: found, checked, cut alike, trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import data
import train
from data import Known
from data.loading.loaded import ReducedImages
from models.tasks.build import build_task
from tests.tiny import configuration


def coded(height: int, width: int, scale: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A large image whose every pixel says in red and green where it lies over the scale, and in blue which image it
    is; the small one says the same."""
    rows, columns = np.indices((height // scale, width // scale))
    small = np.stack([rows, columns, np.full_like(rows, number)], -1).astype(np.uint8)
    large = np.zeros((height, width, 3), np.uint8)
    whole = small.repeat(scale, 0).repeat(scale, 1)
    large[: whole.shape[0], : whole.shape[1]] = whole
    return large, small


def write(
    top: Path, names: list[str], scale: int = 2, ends: tuple[str, str] = ("", ""), folders: str = "hr lr"
) -> Path:
    for i, name in enumerate(names):
        for pixels, folder, end in zip(coded(50 + i, 61, scale, i), folders.split(), ends, strict=True):
            (top / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(top / folder / f"{name}{end}.png")
    return top


NAMES = [f"{i:02d}" for i in range(10)]


def section(root: Path, *overrides: str) -> dict[str, Any]:
    few = ["data=pairs", "model=espcn", f"data.root='{root}'", "data.crops_per_image=8", "task.batch_size=8"]
    return configuration(*few, *overrides)["data"]


def build(root: Path, *overrides: str, known: Known | None = None) -> Any:
    return data.build(section(root, *overrides), "high_resolution_images", 0, known)


def names(module: Any, split: str) -> list[str]:
    samples = getattr(module, split)
    return list(dict.fromkeys(samples[i]["name"] for i in range(len(samples))))


@pytest.mark.parametrize("scale", [2, 3])
def test_both_images_are_cut_at_the_same_place_and_turned_alike(tmp_path: Path, scale: int) -> None:
    module = build(write(tmp_path, NAMES, scale), f"model.scale={scale}")
    assert isinstance(module.info, ReducedImages)
    seen = set()
    for batch in module.train_dataloader():
        low, image = batch["low"], batch["image"]
        assert (low.shape[-1], image.shape[-1]) == (48 // scale, 48)
        assert torch.equal(image, low.repeat_interleave(scale, -1).repeat_interleave(scale, -2))
        seen |= {tuple(np.sign(np.diff(each[0].int().numpy(), axis=a)).sum().item() for a in (0, 1)) for each in low}
    assert len({(np.sign(a), np.sign(b)) for a, b in seen}) == 4  # rows or columns, up or down
    sample = module.test[0]
    assert sample["image"].shape == (3, 54, 61)
    assert torch.equal(sample["low"], torch.from_numpy(coded(54, 61, scale, 4)[1]).permute(2, 0, 1))


def test_every_tenth_pair_validates_and_tests_unless_there_are_folders(tmp_path: Path) -> None:
    module = build(write(tmp_path / "all", NAMES))
    assert [names(module, split) for split in ("val", "test")] == [["09"], ["04"]]
    assert len(names(module, "train")) == 8
    for split, which in (("train", NAMES[:5]), ("val", NAMES[5:7]), ("test", NAMES[7:])):
        write(tmp_path / "split" / split, which, folders="HR LR")
    module = build(tmp_path / "split")
    assert [names(module, split) for split in ("train", "val", "test")] == [NAMES[:5], NAMES[5:7], NAMES[7:]]
    assert names(build(tmp_path / "split", known=Known(part="auto")), "test") == NAMES[7:]
    assert names(build(tmp_path / "split", known=Known(part="val")), "test") == NAMES[5:7]
    everything = build(tmp_path / "all", known=Known(part="auto"))
    assert names(everything, "test") == NAMES
    assert "Scored on all 10 pairs" in everything.notes
    for part, expected in (("test", ["04"]), ("val", ["09"])):  # what its training did not see
        assert names(build(tmp_path / "all", known=Known(part=part)), "test") == expected


def test_names_that_differ_by_what_they_end_in_are_paired_and_said(tmp_path: Path) -> None:
    module = build(write(tmp_path, NAMES, ends=("", "x2")))
    assert names(module, "val") == ["09"]
    assert any("are paired as NAME and NAMEx2" in note for note in module.notes)
    both = build(write(tmp_path / "both", NAMES, ends=("_HR", "_LR"), folders="gt lq"))
    assert names(both, "val") == ["09"]


def test_a_pair_of_another_scale_is_refused_in_a_sentence_with_the_file_or_skipped(tmp_path: Path) -> None:
    write(tmp_path, NAMES)
    Image.new("RGB", (30, 24)).save(tmp_path / "lr/03.png")
    sentence = r"lr/03\.png has 24 x 30 pixels, but .*hr/03\.png of 53 x 61 over 2 makes 26 x 30; set model\.scale"
    with pytest.raises(ValueError, match=sentence):
        build(tmp_path)
    module = build(tmp_path, "data.on_error=skip")
    assert "03" not in names(module, "train")
    assert len(module.skipped) == 1
    with pytest.raises(ValueError, match=r"lr/00\.png has 25 x 30 pixels, but .* over 4 makes 12 x 15"):
        build(tmp_path, "model.scale=4")


def test_what_has_no_partner_or_cannot_be_read_is_refused_or_skipped(tmp_path: Path) -> None:
    write(tmp_path, [*NAMES, "10", "11"])
    (tmp_path / "lr/02.png").unlink()
    with pytest.raises(ValueError, match=r"hr/02\.png has no image of its name in .*lr; add it, or remove this one"):
        build(tmp_path)
    broken = tmp_path / "lr/06.png"
    broken.write_bytes(broken.read_bytes()[:-40])
    module = build(tmp_path, "data.on_error=skip")
    assert {"02", "06"}.isdisjoint(names(module, "train"))
    assert len(module.skipped) == 2
    for i in range(len(module.train)):
        sample = module.train[i]
        assert torch.equal(sample["image"][2, 0, 0], sample["low"][2, 0, 0])  # of the same number


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    write(tmp_path, NAMES)
    with pytest.raises(ValueError, match=r"data\.crop=47 is no multiple of the scale 2"):
        build(tmp_path, "data.crop=47")
    with pytest.raises(ValueError, match="pairs are mirrored and transposed alone; choose data/augment=symmetries"):
        build(tmp_path, "data/augment=strong")
    (tmp_path / "lr").rename(tmp_path / "small")
    with pytest.raises(ValueError, match=r"has no folder lr; put hr in .*/hr, lr in .*/lr \(there now: hr, small\)"):
        build(tmp_path)


def test_the_network_learns_from_the_small_images_and_says_so(tmp_path: Path) -> None:
    root, run = write(tmp_path / "pairs", NAMES), tmp_path / "run"
    run.mkdir()
    few = ["data=pairs", "model=espcn", f"data.root='{root}'", "data.crops_per_image=1", "task.batch_size=4"]
    short = ["trainer.max_steps=2", "trainer.val_check_interval=1", "trainer.precision=32-true"]
    config = configuration(*few, *short)
    task, module = build_task(config)
    batch = next(iter(module.train_dataloader()))
    assert torch.equal(task.low(batch, task.truth(batch)), batch["low"])
    with pytest.raises(
        ValueError, match=r"has 23 x 24 pixels and the large one 48 x 48, but the network enlarges by 2"
    ):
        task.low(batch | {"low": batch["low"][:, :, 1:]}, task.truth(batch))
    metrics = train.run(config, run)
    told = "Low-resolution images: as they come, each with its large one"
    assert json.loads((run / "metrics.json").read_text())["reduction"] == metrics["reduction"] == told
    assert told in (run / "report.html").read_text()
    assert metrics["baseline/psnr_y"] > 20
