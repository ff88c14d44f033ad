"""Files as labelling tools write them become masks: rectangles are counted by hand, circles by their area."""

import base64
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import data
from data.outlines.__main__ import convert
from tests.tiny import configuration

coco_mask = pytest.importorskip("pycocotools.mask", reason="outlines are drawn by pycocotools, an extra")
HEIGHT, WIDTH = 40, 50


def box(left: int, top: int, right: int, bottom: int) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def area(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def images(top: Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (i, 9, 9)).save(top / name)


def written(out: Path, stem: str) -> np.ndarray:
    return np.asarray(Image.open(out / "masks" / f"{stem}.png"))


def coco(top: Path) -> Path:
    names = ["été 1.png", "b.png", "c.png"]
    images(top / "photos", names)
    region = np.asfortranarray(area(20, 20, 30, 30).astype(np.uint8))
    packed = coco_mask.encode(region)
    runs = [20 * HEIGHT + 20, 10, *([30, 10] * 9), 20 * HEIGHT + 10 - 30 + 30 - 10 + 10]  # column after column
    runs[-1] = HEIGHT * WIDTH - sum(runs[:-1])
    annotations: list[dict[str, Any]] = [
        {"image_id": 7, "category_id": 3, "segmentation": [box(2, 3, 10, 9), box(30, 3, 33, 9)], "area": 66},
        {"image_id": 7, "category_id": 18, "segmentation": [box(0, 0, 20, 20)], "area": 400},  # larger: drawn first
        {
            "image_id": 8,
            "category_id": 3,
            "segmentation": packed | {"counts": packed["counts"].decode()},
        },
        {"image_id": 8, "category_id": 18, "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}},
        {"image_id": 9, "category_id": 3, "bbox": [1, 1, 5, 5], "segmentation": []},
    ]
    content = {
        "images": [{"id": 7 + i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in enumerate(names)],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "cat, big"}, {"id": 18, "name": "dog"}],
    }
    path = top / "instances.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_coco_by_its_own_numbers_small_things_over_large_ones_and_crowds_as_no_class(tmp_path: Path) -> None:
    said = convert(coco(tmp_path / "in"), tmp_path / "out")
    first = np.where(area(0, 0, 20, 20), 18, 0)
    first[area(2, 3, 10, 9) | area(30, 3, 33, 9)] = 3
    assert np.array_equal(written(tmp_path / "out", "été 1"), first)
    assert np.array_equal(written(tmp_path / "out", "b"), np.where(area(20, 20, 30, 30), 255, 0))
    assert not written(tmp_path / "out", "c").any()
    assert (tmp_path / "out" / "classes.txt").read_text() == "0 background\n3 cat, big\n18 dog\n"
    assert said[0] == "COCO: 4 outlines in 3 images, 2 classes and the background"
    assert "Left out, since they have no area: 1 boxes" in said
    assert "Without any outline, so background alone: 1 images" in said


def labelme(top: Path) -> Path:
    images(top, ["a.png", "b.png"])
    part = io.BytesIO()
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(part, "PNG")
    shapes = [
        {"label": "road", "shape_type": "polygon", "points": [[2, 3], [10, 3], [10, 9], [2, 9]]},
        {"label": "car", "shape_type": "rectangle", "points": [[30, 20], [20, 10]]},
        {"label": "sun", "shape_type": "circle", "points": [[40, 30], [47, 30]]},
        {"label": "__ignore__", "shape_type": "mask", "points": [[0, 30], [6, 34]],
         "mask": base64.b64encode(part.getvalue()).decode()},
        {"label": "road", "shape_type": "line", "points": [[0, 0], [5, 5]]},
    ]  # fmt: skip
    for name, drawn in (("a", shapes), ("b", [])):
        content = {"version": "5.4", "imagePath": f"..\\elsewhere\\{name}.png", "shapes": drawn, "flags": {}}
        (top / f"{name}.json").write_text(json.dumps(content))
    return top


def test_labelme_in_the_order_drawn_with_its_circles_and_masks(tmp_path: Path) -> None:
    said = convert(labelme(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out" / "classes.txt").read_text() == "0 background\n1 car\n2 road\n3 sun\n"
    mask = written(tmp_path / "out", "a")
    assert np.array_equal(mask == 2, area(2, 3, 10, 9))
    assert np.array_equal(mask == 1, area(20, 10, 30, 20))
    assert np.array_equal(mask == 255, area(0, 30, 6, 34))
    assert (mask == 3).sum() == pytest.approx(math.pi * 49, rel=0.05)
    assert "Left out, since they have no area: 1 lines" in said


def yolo(top: Path) -> Path:
    images(top / "images", ["a.png", "b.png"])
    (top / "labels").mkdir()
    shares = " ".join(f"{value / side}" for value, side in zip(box(5, 4, 25, 20), [WIDTH, HEIGHT] * 4, strict=True))
    (top / "labels" / "a.txt").write_text(f"1 {shares}\n0 0.5 0.5 0.1 0.1\n")
    (top / "labels" / "b.txt").write_text("")
    (top / "data.yaml").write_text("names:\n  0: tree\n  1: house\n")
    return top


def test_yolo_in_shares_of_the_sides(tmp_path: Path) -> None:
    said = convert(yolo(tmp_path / "in"), tmp_path / "out")
    assert np.array_equal(written(tmp_path / "out", "a"), np.where(area(5, 4, 25, 20), 2, 0))
    assert (tmp_path / "out" / "classes.txt").read_text() == "0 background\n1 tree\n2 house\n"
    assert "Left out, since they have no area: 1 boxes" in said


def test_what_comes_out_is_read_as_data(tmp_path: Path) -> None:
    convert(coco(tmp_path / "in"), tmp_path / "out")
    small = ["data.crop=16", "data.batch_size=1", "data.absent_classes=keep"]
    config = configuration("data=folder", f"data.root='{tmp_path / 'out'}'", *small)
    loaded = data.load(config["data"], "labelled_images", seed=0)
    assert loaded.info.classes == ["background", "cat, big", "dog"]
    assert loaded.info.labels == [0, 3, 18]
    assert loaded.info.ignored == (255,)


def broken_json(top: Path) -> Path:
    (labelme(top) / "a.json").write_text('{"shapes": [')
    return top


def missing_image(top: Path) -> Path:
    (labelme(top) / "a.png").unlink()
    return top


def coco_without_image(top: Path) -> Path:
    path = coco(top)
    (top / "photos" / "b.png").unlink()
    return path


def no_category(top: Path) -> Path:
    path = coco(top)
    path.write_text(path.read_text().replace('"category_id": 18', '"category_id": 99'))
    return path


def high_number(top: Path) -> Path:
    path = coco(top)
    text = path.read_text().replace('"id": 18', '"id": 300')
    path.write_text(text.replace('"category_id": 18', '"category_id": 300'))
    return path


def bad_line(top: Path) -> Path:
    (yolo(top) / "labels" / "a.txt").write_text("1 0.5 0.5 0.7\n")
    return top


def nothing(top: Path) -> Path:
    images(top, ["a.png"])
    return top


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (broken_json, r"a\.json is no JSON file"),
        (missing_image, r"a\.json names the image .*a\.png, which is not beside it; put it there"),
        (coco_without_image, r"instances\.json names the image b\.png, which is not below .*; put it there"),
        (no_category, r"instances\.json is no file of COCO: it lacks 99"),
        (high_number, "the class dog has the number 300; masks of 8 bits hold 0 to 254"),
        (bad_line, r"line 1 of .*a\.txt is no class and pairs of numbers"),
        (nothing, r"holds no outlines of COCO \(\.json\), labelme"),
        (lambda top: top / "gone", "gone is not there; name a file of COCO"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_named(source: Callable[[Path], Path], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        convert(source(tmp_path / "in"), tmp_path / "out")
    assert "\n" not in str(refusal.value)


def test_nothing_is_mixed_into_a_folder_that_holds_files(tmp_path: Path) -> None:
    convert(yolo(tmp_path / "in"), tmp_path / "out")
    with pytest.raises(ValueError, match="out holds files already; name another folder"):
        convert(tmp_path / "in", tmp_path / "out")
