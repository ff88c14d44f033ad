"""Where images and masks may lie, and what of a folder is not used: every kind is a row."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import data
from data.loading.loaded import Loaded
from tests.data.own_data import numbered, scene, write
from tests.tiny import configuration


def load(root: Path, *overrides: str, model: str = "unet") -> Loaded:
    small = [f"data.root='{root}'", "data.crop=16", "data.batch_size=2", f"model={model}"]
    config = configuration("data=folder", *small, *overrides)
    return data.load(config["data"], "labelled_images" if model == "unet" else "images_of_one_size", seed=0)


def sizes(loaded: Loaded) -> list[int]:
    return [len(part) for part in (loaded.train, loaded.val, loaded.test)]


def split_by_hand(root: Path, names: tuple[str, str, str], form: str = "{split}/{part}") -> Path:
    for split, which in zip(names, (range(8), range(8, 10), range(10, 12)), strict=True):
        places = {part: form.format(split=split, part=part) + "/{i:02d}.png" for part in ("images", "masks")}
        write(root, image=places["images"], mask=places["masks"], which=which)
    return root


def in_folders(images: str, masks: str) -> Callable[[Path], object]:
    return lambda root: write(root, image=images + "/{i:02d}.png", mask=masks + "/{i:02d}.png")


def suffixed(mask: str, image: str = "") -> Callable[[Path], object]:
    return lambda root: write(root, image="images/a{i}" + image + ".png", mask="masks/a{i}" + mask + ".png")


def several_kinds(root: Path) -> None:
    write(root, image="images/{i}.png", mask="masks/{i}_labelIds.png")
    write(root, numbered(7, 9), image="images/{i}.png", mask="masks/{i}_color.png")


ROWS: list[tuple[str, Callable[[Path], object], list[str], list[int], str]] = [
    # id, how it is written, overrides, sizes of the splits, what is said
    ("plain", write, [], [8, 2, 2], "Split at random by data.split_seed=0: 8 train, 2 val, 2 test"),
    ("valid", lambda root: split_by_hand(root, ("train", "valid", "test")), [], [8, 2, 2], ""),
    ("validation", lambda root: split_by_hand(root, ("Train", "Validation", "Test")), [], [8, 2, 2], ""),
    ("dev", lambda root: split_by_hand(root, ("training", "dev", "testing")), [], [8, 2, 2], ""),
    ("splits within", lambda root: split_by_hand(root, ("train", "val", "test"), "{part}/{split}"), [], [8, 2, 2], ""),
    ("img label", in_folders("img", "label"), [], [8, 2, 2], ""),
    ("image mask", in_folders("image", "mask"), [], [8, 2, 2], ""),
    ("VOC's", in_folders("JPEGImages", "SegmentationClass"), [], [8, 2, 2], ""),
    ("deeper", in_folders("Images/day 1", "Masks/day 1"), [], [8, 2, 2], ""),
    ("_mask", suffixed("_mask"), [], [8, 2, 2], "are matched to their images by data.mask_suffix=_mask"),
    ("_gt", suffixed("_gt"), [], [8, 2, 2], "data.mask_suffix=_gt"),
    ("_L", suffixed("_L"), ["data.mask_suffix=_L"], [8, 2, 2], ""),
    ("both", suffixed("_gtFine_labelIds", "_leftImg8bit"), [], [8, 2, 2],
     "data.mask_suffix=_gtFine_labelIds data.image_suffix=_leftImg8bit"),
    ("one of several", several_kinds, ["data.mask_suffix=_labelIds"], [8, 2, 2], ""),
    ("beside the splits", lambda root: [split_by_hand(root, ("train", "val", "test")),
                                        write(root / "extra")], [], [8, 2, 2], "Not used: the images in .*extra"),
    ("beside images", lambda root: [write(root), write(root / "old")], [], [8, 2, 2], "Not used: the images in .*old"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "overrides", "expected", "said"), [row[1:] for row in ROWS],
                         ids=[row[0] for row in ROWS])  # fmt: skip
def test_layouts_are_read_and_what_is_left_alone_is_named(
    layout: Callable[[Path], object], overrides: list[str], expected: list[int], said: str, tmp_path: Path
) -> None:
    layout(tmp_path)
    loaded = load(tmp_path, *overrides)
    assert sizes(loaded) == expected
    assert loaded.info.classes == ["0", "1"]
    notes = "\n".join(loaded.notes)
    assert re.search(said, notes)
    assert ("Not used" in notes) == said.startswith("Not used")
    sample = loaded.test[0]
    digits = "".join(letter for letter in sample["name"].rpartition("/")[2].partition("_")[0] if letter.isdigit())
    assert np.array_equal(sample["mask"].numpy(), scene(int(digits))[1])


REFUSED: list[tuple[str, Callable[[Path], object], str]] = [
    ("two for validation", lambda root: [split_by_hand(root, ("train", "val", "test")), write(root / "valid")],
     "holds val and valid, which are one split by their names; move or rename one of them"),
    ("two for masks", lambda root: [write(root), write(root, mask="labels/{i:02d}.png")],
     "holds labels and masks, and it cannot be told which is meant"),
    ("several suffixes", several_kinds, "masks end in _color, _labelIds; say by data.mask_suffix which"),
    ("no masks", lambda root: write(root, mask="elsewhere/{i:02d}.png"),
     r"has no folder masks; put images in .* \(there now: elsewhere, images\)"),
    ("outlines", lambda root: [write(root, mask="a/{i:02d}.png"), (root / "a.json").write_text("{}")],
     "outlines of COCO, labelme or YOLO become masks by python -m data.outlines"),
    ("no training", lambda root: write(root / "test"), "has test, but no train folder; add it, or put all in one"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_ambiguous_is_refused_with_the_mend(
    layout: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    layout(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path)


def test_for_generation_masks_are_no_images_left_alone(tmp_path: Path) -> None:
    write(tmp_path)
    loaded = load(tmp_path, "model.size=32", "data.crop=32", model="dcgan")
    assert sizes(loaded) == [8, 2, 2]
    assert not [note for note in loaded.notes if "Not used" in note]
    assert [note for note in loaded.notes if "only flips are used" in note and "scale" in note]


def ramp(bits: int, i: int) -> np.ndarray:
    """(32, 32) of 16 bits that uses so many of them."""
    image = scene(i)[0][..., 0].astype(np.uint16)
    return image * ((2**bits - 1) // 255) + i


DEEP: list[tuple[str, int, list[str], int, str]] = [
    ("8 in 16", 8, [], 255, "reach .*: 0 to 255 become"),
    ("10 in 16", 10, [], 1023, "0 to 1023 become 0 to 255; data.range="),
    ("12 in 16", 12, [], 4095, "0 to 4095 become"),
    ("16", 16, [], 65535, "0 to 65535 become"),
    ("asked for", 12, ["data.range=[0,2000]"], 2000, "values from 0 to 2000 become 0 to 255"),
]


@pytest.mark.parametrize("kind", ["png", "tif", "rgb.png", "rgb.tif"])
@pytest.mark.parametrize(("bits", "overrides", "top", "said"), [row[1:] for row in DEEP], ids=[row[0] for row in DEEP])
def test_the_bits_that_are_in_use_become_eight(
    bits: int, overrides: list[str], top: int, said: str, kind: str, tmp_path: Path
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="writes PNG files of three channels of 16 bits")
    write(tmp_path)
    for i in range(12):
        path = tmp_path / "images" / f"{i:02d}.png"
        stored = ramp(bits, i)
        stored = np.repeat(stored[..., None], 3, 2) if kind.startswith("rgb") else stored
        path.unlink()
        if kind.endswith("png"):
            path.write_bytes(imagecodecs.png_encode(stored))
        else:
            tifffile.imwrite(path.with_suffix(".tif"), stored)
    loaded = load(tmp_path, *overrides)
    assert loaded.info.span == (0, top)
    sample = loaded.train[0]
    expected = np.floor(np.minimum(ramp(bits, int(sample["name"])) / top, 1) * 255 + 0.5)
    assert np.abs(sample["image"].numpy() - expected).max() <= 1
    assert [note for note in loaded.notes if re.search(said, note)]


@pytest.mark.parametrize(("bands", "said"), [(2, "the first are"), (4, "the first three are"), (13, "the first three")])
def test_bands_are_taken_or_by_rgb_the_first_ones_and_that_is_said(bands: int, said: str, tmp_path: Path) -> None:
    write(tmp_path)
    for path in (tmp_path / "images").iterdir():
        image = scene(int(path.stem))[0]
        path.unlink()
        stored = np.concatenate([image] * 5, 2)[..., :bands]
        tifffile.imwrite(path.with_suffix(".tif"), stored, photometric="minisblack", planarconfig="contig")
    loaded = load(tmp_path, "data.bands=rgb")
    (note,) = (note for note in loaded.notes if f"12 images have {bands} bands" in note)
    assert said.replace(" are", "") in note
    sample = loaded.test[0]
    assert sample["image"].shape[0] == 3
    assert np.array_equal(sample["image"][0].numpy(), scene(int(sample["name"]))[0][..., 0])
    all_of_them = load(tmp_path).test[0]["image"]
    assert all_of_them.shape[0] == bands
    assert np.array_equal(all_of_them[-1].numpy(), scene(int(sample["name"]))[0][..., (bands - 1) % 3])


def test_floating_point_images_need_a_range_and_take_one(tmp_path: Path) -> None:
    write(tmp_path)
    for path in (tmp_path / "images").iterdir():
        image = scene(int(path.stem))[0][..., 0] / np.float32(100)
        path.unlink()
        Image.fromarray(image).save(path.with_suffix(".tif"))
    with pytest.raises(ValueError, match=r"32 bits a channel, whose range is not known; say in data.range"):
        load(tmp_path)
    loaded = load(tmp_path, "data.range=[0,2.55]")
    sample = loaded.test[0]
    assert np.abs(sample["image"][0].numpy() - scene(int(sample["name"]))[0][..., 0].astype(float)).max() <= 1
    with pytest.raises(ValueError, match=r"data.range must be two numbers, the darkest and the brightest value, not"):
        load(tmp_path, "data.range=[3,1]")
