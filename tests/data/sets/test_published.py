"""Every published set, from a small copy in its published layout, as its YAML builds it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

import data
import train
from data.loading.datamodule import DataModule
from data.loading.loaded import LabelledImages
from tests import tiny

Split = dict[str, int]  # from an image's name to its level
HEIGHT, WIDTH = 48, 64
VALIDATE = "trainer.val_check_interval=2"


def configuration(name: str, root: Path | None, *overrides: str) -> dict[str, Any]:
    """As a user composes it."""
    given = [] if root is None else [f"data.root='{root}'"]
    return tiny.configuration(f"data={name}", *given, *overrides)


def write_image(path: Path, level: int, height: int = HEIGHT, width: int = WIDTH) -> None:
    """An image that its level tells from all others: one grey, which JPEG keeps to within a level or two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (level,) * 3).save(path)


def stored_labels(values: list[int], level: int) -> np.ndarray:
    """A mask of columns of the values, begun elsewhere for every level, so that each image's mask is its own."""
    return np.broadcast_to(np.roll(np.resize(values, WIDTH), level), (HEIGHT, WIDTH)).astype(np.uint8)


def write_mask(path: Path, values: list[int], level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored_labels(values, level)).save(path)


def write_list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


@dataclass(frozen=True)
class Labelled:
    """What the copy of a labelled set should give.

    stored, labels  what its masks hold, and what that is to become
    spot            a label, the name of its class and its colour, as published
    """

    write: Callable[[Path, list[int]], dict[str, Split]]
    stored: list[int]
    labels: list[int]
    classes: int
    spot: tuple[int, str, tuple[int, int, int]]


def voc(root: Path, stored: list[int]) -> dict[str, Split]:
    top = root / "VOCdevkit/VOC2012"
    splits = {"train": {"2007_000032": 10, "2007_000039": 21}, "val": {"2007_000033": 33}}
    for split, names in splits.items():
        write_list(top / f"ImageSets/Segmentation/{split}.txt", list(names))
        for name, level in names.items():
            write_image(top / f"JPEGImages/{name}.jpg", level)
            mask = Image.fromarray(stored_labels(stored, level)).convert("P")  # the values stay as palette indices
            mask.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
            (top / "SegmentationClass").mkdir(exist_ok=True)
            mask.save(top / f"SegmentationClass/{name}.png")
    write_image(top / "JPEGImages/2008_unlabelled.jpg", 99)
    return splits | {"test": splits["val"]}


def sbd(root: Path, stored: list[int]) -> dict[str, Split]:
    savemat = pytest.importorskip("scipy.io", reason="SBD's masks are MATLAB files, which SciPy reads").savemat
    splits = {"train": {"2008_000002": 10, "2008_000003": 21}, "val": {"2008_000007": 33}}
    for split, names in splits.items():
        write_list(root / f"{split}.txt", list(names))
        for name, level in names.items():
            write_image(root / f"img/{name}.jpg", level)
            (root / "cls").mkdir(exist_ok=True)
            labels = stored_labels(stored, level)
            content = {"Boundaries": np.zeros((20, 1)), "Segmentation": labels, "CategoriesPresent": np.unique(labels)}
            savemat(root / f"cls/{name}.mat", {"GTcls": content})
    return splits | {"test": splits["val"]}


def cityscapes(root: Path, stored: list[int]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for split, city, levels in (("train", "aachen", (10, 21)), ("train", "bochum", (30,)), ("val", "lindau", (43,))):
        for level in levels:
            frame = f"{city}_000000_{level:06d}"
            write_image(root / f"leftImg8bit/{split}/{city}/{frame}_leftImg8bit.png", level)
            for kind, values in (("labelIds", stored), ("instanceIds", [11001]), ("color", [1])):
                write_mask(root / f"gtFine/{split}/{city}/{frame}_gtFine_{kind}.png", values, level)
            splits.setdefault(split, {})[f"{frame}_leftImg8bit"] = level
    return splits | {"test": splits["val"]}


def ade20k(root: Path, stored: list[int]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for split, part, levels in (("train", "training", (10, 21)), ("val", "validation", (33,))):
        for level in levels:
            name = f"ADE_{split}_{level:08d}"
            write_image(root / f"ADEChallengeData2016/images/{part}/{name}.jpg", level)
            write_mask(root / f"ADEChallengeData2016/annotations/{part}/{name}.png", stored, level)
            splits.setdefault(split, {})[name] = level
    return splits | {"test": splits["val"]}


def oxford_pets(root: Path, stored: list[int]) -> dict[str, Split]:
    top = root / "oxford-iiit-pet"
    trainval = {f"Abyssinian_{i}": 10 * i for i in range(1, 11)}
    test = {"yorkshire_terrier_9": 123, "Russian_Blue_3": 130}
    for part, names in (("trainval", trainval), ("test", test)):
        write_list(top / f"annotations/{part}.txt", [f"{name} 1 1 1" for name in names])
        for name, level in names.items():
            write_image(top / f"images/{name}.jpg", level)
            write_mask(top / f"annotations/trimaps/{name}.png", stored, level)
    (top / "annotations/trimaps/._Abyssinian_1.png").write_bytes(b"as the archive brings them")
    val = {"Abyssinian_10": 100}
    return {"train": {k: v for k, v in trainval.items() if k not in val}, "val": val, "test": test}


LABELLED = {
    "voc": Labelled(voc, [0, 5, 20, 255], [0, 5, 20, 255], 21, (15, "person", (192, 128, 128))),
    "sbd": Labelled(sbd, [0, 5, 20], [0, 5, 20], 21, (20, "tvmonitor", (0, 64, 128))),
    "cityscapes": Labelled(
        cityscapes,
        [0, 4, 7, 8, 11, 17, 26, 29, 31, 33],
        [255, 255, 0, 1, 2, 5, 13, 255, 16, 18],
        19,
        (13, "car", (0, 0, 142)),
    ),
    "ade20k": Labelled(ade20k, [0, 1, 13, 150], [255, 0, 12, 149], 150, (12, "person", (150, 5, 61))),
    "oxford_pets": Labelled(oxford_pets, [1, 2, 3], [1, 0, 255], 2, (1, "pet", (240, 170, 60))),
}


def contents(module: DataModule, split: str) -> dict[str, Any]:
    samples = getattr(module, split)
    return {sample["name"]: sample for sample in map(samples.__getitem__, range(len(samples)))}


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_sets_give_their_splits_pairs_and_labels(name: str, tmp_path: Path) -> None:
    expected = LABELLED[name]
    splits = expected.write(tmp_path, expected.stored)
    options = configuration(
        name, tmp_path, "task.crop=16", "task.batch_size=2", "data.cache=ram", "data.absent_classes=keep"
    )["data"]
    module = data.build(options | {"crops_per_image": 1}, "labelled_images", seed=0)

    assert isinstance(module.info, LabelledImages)
    label, title, colour = expected.spot
    assert len(module.info.classes) == len(set(module.info.classes)) == len(module.info.palette) == expected.classes
    assert (module.info.classes[label], tuple(module.info.palette[label])) == (title, colour)
    for split in ("train", "val", "test"):
        found = contents(module, split)
        assert set(found) == set(splits[split])
        for key, level in splits[split].items():
            assert np.abs(found[key]["image"].numpy().astype(int) - level).max() <= 2
            assert np.array_equal(found[key]["mask"].numpy(), stored_labels(expected.labels, level))
    batch = next(iter(module.train_dataloader()))
    assert batch["image"].shape == (2, 3, 16, 16)
    assert batch["mask"].shape == (2, 16, 16)
    assert set(batch["mask"].flatten().tolist()) <= {*expected.labels, module.info.ignore_index}
    if splits["test"] == splits["val"]:
        assert sum("tested on as well" in note for note in module.notes) == 1


def celeba(root: Path) -> None:
    levels = {"000001": 10, "000002": 20, "000003": 30, "182638": 40, "182639": 50, "202598": 60, "202599": 70}
    top = root / "celeba"
    codes = dict(zip(levels, (0, 0, 0, 1, 1, 2, 2), strict=True))
    write_list(top / "list_eval_partition.txt", [f"{name}.jpg {code}" for name, code in codes.items()])
    for name, level in levels.items():
        write_image(top / f"img_align_celeba/{name}.jpg", level, 218, 178)


def test_celeba_gives_its_splits_in_the_networks_size(tmp_path: Path) -> None:
    celeba(tmp_path)
    config = configuration("celeba", tmp_path, "model=dcgan", "model.size=64", "task.batch_size=2")
    module = data.build(config["data"], "images_of_one_size", seed=0)
    found = {split: contents(module, split) for split in ("train", "val", "test")}
    levels = {s: {name: round(i["image"].float().mean().item()) for name, i in f.items()} for s, f in found.items()}
    assert levels == {
        "train": {"000001": 10, "000002": 20, "000003": 30},
        "val": {"182638": 40, "182639": 50},
        "test": {"202598": 60, "202599": 70},
    }
    assert next(iter(module.train_dataloader()))["image"].shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match=r"000001.jpg of 218 x 178 pixels is smaller than data.crop=256"):
        data.build(config["data"] | {"crop": 256}, "images_of_one_size", seed=0)
    partition = tmp_path / "celeba/list_eval_partition.txt"
    partition.write_text(partition.read_text() + "000004.jpg 3\n")
    with pytest.raises(ValueError, match=r"line 8 of .*list_eval_partition.txt is no name and 0, 1 or 2"):
        data.build(config["data"], "images_of_one_size", seed=0)


def div2k(root: Path) -> None:
    for i in range(1, 14):
        write_image(root / f"DIV2K_train_HR/{i:04d}.png", i, HEIGHT + i, WIDTH)
    for i in range(801, 804):
        write_image(root / f"DIV2K_valid_HR/{i:04d}.png", i - 700, HEIGHT, WIDTH + i - 800)


def test_div2k_keeps_ten_training_images_to_validate_and_tests_on_the_official_validation(tmp_path: Path) -> None:
    div2k(tmp_path)
    config = configuration("div2k", tmp_path, "model=espcn", "task.crop=16", "data.cache=ram")
    module = data.build(config["data"], "high_resolution_images", seed=0)
    assert {module.train[i]["name"] for i in range(len(module.train))} == {"0001", "0002", "0003"}
    assert sorted(contents(module, "val")) == [f"{i:04d}" for i in range(4, 14)]
    test = contents(module, "test")
    assert {name: (tuple(s["image"].shape), s["image"].max().item()) for name, s in test.items()} == {
        f"0{i}": ((3, HEIGHT, WIDTH + i - 800), i - 700) for i in range(801, 804)
    }
    with pytest.raises(ValueError, match=r"data.root=.* holds no DIV2K_train_HR; fetch DIV2K_train_HR.zip from"):
        data.build(config["data"] | {"root": str(tmp_path / "DIV2K_train_HR")}, "high_resolution_images", seed=0)


@pytest.mark.parametrize("name", [*LABELLED, "celeba", "cifar10", "mnist", "fashion_mnist", "div2k"])
def test_a_missing_set_is_said_in_one_sentence_with_what_to_put_where(name: str, tmp_path: Path) -> None:
    model, kind = {
        **dict.fromkeys(("celeba", "cifar10", "mnist", "fashion_mnist"), ("dcgan", "images_of_one_size")),
        "div2k": ("espcn", "high_resolution_images"),
    }.get(name, ("unet", "labelled_images"))
    options = configuration(name, tmp_path, f"model={model}")["data"]
    for root in (str(tmp_path), str(tmp_path / "gone"), None):
        with pytest.raises(ValueError, match=r"data.root.*(put|holds|fetch|name) .*") as refused:
            data.build(options | {"root": root}, kind, seed=0)
        assert "\n" not in str(refused.value)
        if "download" in options:
            assert "data.download=true" in str(refused.value)


@pytest.mark.parametrize("name", ["voc", "sbd", "oxford_pets", "celeba", "cifar10", "mnist", "fashion_mnist"])
def test_what_cannot_be_fetched_is_said_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setitem(sys.modules, "gdown", None)  # which fetches CelebA, and is no dependency: cannot be imported
    generates = name in ("celeba", "cifar10", "mnist", "fashion_mnist")
    options = configuration(name, tmp_path, f"model={'dcgan' if generates else 'unet'}", "data.download=true")["data"]
    with pytest.raises(ValueError, match=rf"data.download=true could not bring {name} to .*there yourself") as refused:
        data.build(options, "images_of_one_size" if generates else "labelled_images", seed=0)
    assert ("gdown" if name == "celeba" else "no network") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "write", "overrides"),
    [
        ("oxford_pets", lambda root: oxford_pets(root, [1, 2, 3]), ["encoder.width=4", "data.crop=32"]),
        ("celeba", celeba, ["model=dcgan", "model.width=4", "task.score_images=4", VALIDATE]),
        ("div2k", div2k, ["model=espcn", "data.crop=16", VALIDATE]),
    ],
)
def test_a_run_of_two_steps_is_scored(
    name: str, write: Callable[[Path], Any], overrides: list[str], tmp_path: Path
) -> None:
    root, run = tmp_path / "root", tmp_path / "run"
    run.mkdir()
    write(root)
    random = np.random.default_rng(0)
    for path in root.rglob("*.*"):
        if path.suffix in (".jpg", ".png") and "trimaps" not in path.parts:  # one grey gives a network nothing to see
            with Image.open(path) as picture:
                size = picture.size
            Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).resize(size).save(path)
    steps = ["data.batch_size=2", "trainer.max_steps=2", "trainer.precision=32-true"]
    metrics = train.run(configuration(name, root, *overrides, *steps), run)
    assert (run / "report.png").exists()
    assert any(key.startswith("test/") for key in metrics)
