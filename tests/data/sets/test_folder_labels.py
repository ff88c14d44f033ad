"""What numbers and colours in masks become: every kind is a row, with what is said of it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import data
from data.loading.loaded import LabelledImages, Loaded
from tests.data.own_data import Labels, numbered, scene, write
from tests.tiny import configuration

VOID = 255


def load(root: Path, *overrides: str) -> Loaded:
    config = configuration("data=folder", f"data.root='{root}'", "data.crop=16", "data.batch_size=2", *overrides)
    return data.load(config["data"], "labelled_images", seed=0)


def seen(loaded: Loaded) -> dict[str, int]:
    """Of the first training image: what is trained on outside of the square, inside, and in the top rows."""
    sample = loaded.train[0]
    inside = scene(int(sample["name"]))[1]
    mask = sample["mask"].numpy()
    bottom = np.zeros_like(inside)
    bottom[-1] = True
    return {"outside": int(mask[bottom & ~inside][0]), "inside": int(mask[inside][-1]), "top": int(mask[0, 0])}


ROWS: list[tuple[str, Labels, str | None, list[str], list[str], list[int], dict[str, int], str]] = [
    # id, labels, classes.txt, overrides, classes, their numbers, what is trained on, what is said
    ("0/255", numbered(0, 255), None, [], ["0", "255"], [0, 255], {"outside": 0, "inside": 1, "top": 0},
     "255 is a class here, .*; data.ignore_index=255 ignores it"),
    ("0/255 with two names", numbered(0, 255), "ground\nobject\n", [], ["ground", "object"], [0, 255],
     {"outside": 0, "inside": 1, "top": 0}, "Classes: 0 is ground, 255 is object"),
    ("0/255/128", numbered(0, 255, 128), None, [], ["0", "128", "255"], [0, 128, 255],
     {"outside": 0, "inside": 2, "top": 1}, "255 is a class here, .* of all pixels"),
    ("0/255/128 with three names", numbered(0, 255, 128), "a\nb\nc\n", [], ["a", "b", "c"], [0, 128, 255],
     {"outside": 0, "inside": 2, "top": 1}, "Classes: 0 is a, 128 is b, 255 is c"),
    ("0/1/255", numbered(0, 1, 255), None, [], ["0", "1"], [0, 1], {"outside": 0, "inside": 1, "top": VOID},
     r"Ignored as no class: the number 255, 6\.2% of all pixels; data.ignore_index=none makes it a class"),
    ("0/1/255 kept", numbered(0, 1, 255), None, ["data.ignore_index=none"], ["0", "1", "255"], [0, 1, 255],
     {"outside": 0, "inside": 1, "top": 2}, "255 is a class here, 6.2% of all pixels"),
    ("0/1/255 with two names", numbered(0, 1, 255), "a\nb\n", [], ["a", "b"], [0, 1],
     {"outside": 0, "inside": 1, "top": VOID}, r"Ignored as no class: the number 255, 6\.2%"),
    ("1/2", numbered(1, 2), None, [], ["1", "2"], [1, 2], {"outside": 0, "inside": 1, "top": 0}, "found in .* 1, 2"),
    ("1/2 with two names", numbered(1, 2), "a\nb\n", [], ["a", "b"], [1, 2], {"outside": 0, "inside": 1, "top": 0},
     "Classes: 1 is a, 2 is b"),
    ("0/1/2 without 0", numbered(1, 2, 0), "void\na\nb\n", ["data.ignore_index=0"], ["a", "b"], [1, 2],
     {"outside": 0, "inside": 1, "top": VOID}, r"Ignored by data.ignore_index: the number 0, 6\.2%"),
    ("numbers with names", numbered(0, 255, 7), "255 object\n7: edge\n0 ground\n", [], ["object", "edge", "ground"],
     [255, 7, 0], {"outside": 2, "inside": 0, "top": 1}, "Classes: 255 is object, 7 is edge, 0 is ground"),
    ("a number named ignore", numbered(0, 1, 9), "0 a\n1 b\n9 ignore\n", [], ["a", "b"], [0, 1],
     {"outside": 0, "inside": 1, "top": VOID}, r"Ignored as no class: the number 9, 6\.2% of all pixels$"),
    ("-9999 by name", numbered(0, 1, -9999, dtype=np.int32), None, ["data.ignore_index=-9999"], ["0", "1"], [0, 1],
     {"outside": 0, "inside": 1, "top": VOID}, r"Ignored by data.ignore_index: the number -9999, 6\.2%"),
    ("-1 as a class", numbered(0, 1, -1, dtype=np.int32), "-1 void\n0 a\n1 b\n", [], ["void", "a", "b"], [-1, 0, 1],
     {"outside": 1, "inside": 2, "top": 0}, "Classes: -1 is void, 0 is a, 1 is b"),
    ("beyond eight bits", numbered(1000, 2000, dtype=np.uint16), None, [], ["1000", "2000"], [1000, 2000],
     {"outside": 0, "inside": 1, "top": 0}, "found in the masks: 1000, 2000"),
    ("several ignored", numbered(0, 1, 7, 8), None, ["data.ignore_index=[7,8]"], ["0", "1"], [0, 1],
     {"outside": 0, "inside": 1, "top": VOID}, r"the number 8, 6\.2%"),
    ("grey saved as RGB", lambda inside: np.repeat((inside * 255).astype(np.uint8)[..., None], 3, 2), None, [],
     ["0", "255"], [0, 255], {"outside": 0, "inside": 1, "top": 0}, "255 is a class here"),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "names", "overrides", "classes", "numbers", "trained", "said"),
                         [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])  # fmt: skip
def test_numbers_become_classes_and_what_is_decided_is_said(
    labels: Labels,
    names: str | None,
    overrides: list[str],
    classes: list[str],
    numbers: list[int],
    trained: dict[str, int],
    said: str,
    tmp_path: Path,
) -> None:
    wide = labels(scene(0)[1]).dtype.itemsize == 4
    loaded = load(write(tmp_path, labels, names, mask="masks/{i:02d}.tif" if wide else "masks/{i:02d}.png"), *overrides)
    assert isinstance(loaded.info, LabelledImages)
    assert (loaded.info.classes, loaded.info.labels) == (classes, numbers)
    assert seen(loaded) == trained
    assert [note for note in loaded.notes if re.search(said, note)]


def smoothed(inside: np.ndarray) -> np.ndarray:
    large = Image.fromarray((inside * 255).astype(np.uint8)).resize((100, 100), Image.Resampling.NEAREST)
    return np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR))


REFUSED: list[tuple[str, Labels, str | None, list[str], str]] = [
    ("asked to be ignored", numbered(0, 255), "a\nb\n", ["data.ignore_index=255"], "no training image holds b"),
    ("a class that never occurs", numbered(0, 1), "a\nb\nc\n", [],
     "no training image holds c, so .*absent_classes=keep"),
    ("no data", numbered(0, 1, -9999, dtype=np.int32), None, [],
     r"hold the number -9999 in 768 pixels, .* ignore it by data.ignore_index=-9999"),
    ("a negative number", numbered(0, 1, -1, dtype=np.int32), "a\nb\n", [],
     r"holds the label -1 in 64 pixels, but .* 2 classes, labelled 0 to 1"),
    ("a number too many", numbered(0, 1, 9), "a\nb\n", [], "holds the label 9 in 64 pixels"),
    ("a number not named", numbered(0, 1, 9), "0 a\n1 b\n", [], "holds the label 9 in 64 pixels"),
    ("smoothed edges", smoothed, None, [], "edges that were smoothed, or saved as JPEG; save masks without smoothing"),
    ("in colour", lambda inside: np.where(inside[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8), None, [],
     r"in colour \(12 of 12.*'data.colours=\{class0: \[0, 0, 255\], class1: \[255, 0, 0\]\}'"),
    ("nothing but what is ignored", numbered(3, 3), None, ["data.ignore_index=3"], "no class but what is ignored, 3"),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "names", "overrides", "sentence"), [row[1:] for row in REFUSED],
                         ids=[row[0] for row in REFUSED])  # fmt: skip
def test_what_cannot_be_told_is_refused_with_the_mend(
    labels: Labels, names: str | None, overrides: list[str], sentence: str, tmp_path: Path
) -> None:
    wide = labels(scene(0)[1]).dtype.itemsize == 4
    write(tmp_path, labels, names, mask="masks/{i:02d}.tif" if wide else "masks/{i:02d}.png")
    with pytest.raises(ValueError, match=sentence) as refusal:
        load(tmp_path, *overrides)
    assert "\n" not in str(refusal.value)


def test_the_line_to_paste_works(tmp_path: Path) -> None:
    write(tmp_path, lambda inside: np.where(inside[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8))
    with pytest.raises(ValueError, match="in colour") as refusal:
        load(tmp_path)
    line = str(refusal.value).rpartition(": '")[2].rstrip("'")
    loaded = load(tmp_path, line)
    assert loaded.info.classes == ["class0", "class1"]
    assert loaded.info.palette == [(0, 0, 255), (255, 0, 0)]
    assert seen(loaded) == {"outside": 0, "inside": 1, "top": 0}


def palette_picture(labels: np.ndarray, palette: list[int], path: Path) -> None:
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette(palette)
    picture.save(path)


def test_palettes_give_their_colours_and_are_refused_where_they_differ(tmp_path: Path) -> None:
    write(tmp_path)
    for i in range(12):
        labels = scene(i)[1].astype(np.uint8)
        palette_picture(labels, [9, 8, 7, 200, 100, 50], tmp_path / "masks" / f"{i:02d}.png")
    assert load(tmp_path).info.palette == [(9, 8, 7), (200, 100, 50)]
    palette_picture(1 - labels, [200, 100, 50, 9, 8, 7], tmp_path / "masks" / "11.png")  # the same picture
    with pytest.raises(ValueError, match=r"palettes of masks differ: index 0 is \(9, .*00.png and \(200, .*11.png"):
        load(tmp_path)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint16, np.uint32])
def test_numbers_of_every_width_and_sign_are_read_as_stored(dtype: Any, tmp_path: Path) -> None:
    low = -7 if np.issubdtype(dtype, np.signedinteger) else 7
    root = write(tmp_path)
    (tmp_path / "classes.txt").write_text(f"{low} low\n100 high\n")
    for path in (tmp_path / "masks").iterdir():
        labels = np.where(scene(int(path.stem))[1], 100, low).astype(dtype)
        path.unlink()
        tifffile.imwrite(path.with_suffix(".tif"), labels)
    loaded = load(root)
    assert (loaded.info.classes, loaded.info.labels) == (["low", "high"], [low, 100])
    assert seen(loaded) == {"outside": 0, "inside": 1, "top": 0}


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("﻿a\r\nb\r\n".encode(), None),
        ("a\nb\n".encode("utf-16"), None),
        (b"\xfe\xff" + "a\nb".encode("utf-16-be"), None),
        ("a\nStra\xdfe\n".encode("latin-1"), r"classes.txt is not in UTF-8 \(byte 6 is 0xdf\); save it again as UTF-8"),
        (b"a\0b", "classes.txt is no text: it holds zero bytes"),
        (b"a\n\nb\n", "classes.txt must name each class in a line of its own; line 2 is empty"),
        (b"0 a\n0 b\n", "classes.txt names one number twice"),
        (b"", r"classes.txt must name 1 to 255 classes, a line each, but it has 0 lines"),
    ],
)
def test_classes_txt_is_read_in_any_encoding_with_a_mark_or_named(
    stored: bytes, told: str | None, tmp_path: Path
) -> None:
    write(tmp_path)
    (tmp_path / "classes.txt").write_bytes(stored)
    if told is None:
        assert load(tmp_path).info.classes == ["a", "b"]
    else:
        with pytest.raises(ValueError, match=told):
            load(tmp_path)


@pytest.mark.parametrize("how", ["classes.txt", "data.colours"])
def test_names_are_kept_as_they_are_but_for_what_a_terminal_would_obey(how: str, tmp_path: Path) -> None:
    """Those would be refused by whoever loads the trained network."""
    names = ["$\\frac{$ [/b] <b>", "red\x1b[31m\u202egnp"]
    root = tmp_path / "a\x1b[2Jb"
    if how == "classes.txt":
        loaded = load(write(root, names="\n".join(names)))
    else:
        write(root, labels=lambda inside: np.where(inside[..., None], 9, np.zeros(3)).astype(np.uint8))
        section = configuration("data=folder", "data.root=here", "data.crop=16", "data.batch_size=2")["data"]
        colours = dict(zip(names, ([0, 0, 0], [9, 9, 9]), strict=True))
        loaded = data.load(section | {"root": str(root), "colours": colours}, "labelled_images", seed=0)
    assert loaded.info.classes == [names[0], "red\\x1b[31m\\u202egnp"]
    assert loaded.info.name == "a\\x1b[2Jb"


def test_a_rare_class_is_dealt_to_training(tmp_path: Path) -> None:
    """In whichever image it is: the split by the seed alone would leave it out in one of three or so."""
    for rare in range(12):
        root = write(tmp_path / str(rare))
        labels = scene(rare)[1].astype(np.uint8)
        labels[0] = 2
        Image.fromarray(labels).save(root / "masks" / f"{rare:02d}.png")
        loaded = load(root)
        assert f"{rare:02d}" in {loaded.train[i]["name"] for i in range(len(loaded.train))}
        assert [len(part) for part in (loaded.train, loaded.val, loaded.test)] == [8, 2, 2]
