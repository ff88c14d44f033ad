import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import data
from data.loading.loaded import ClassedImages
from data.sets.mnist import fashion_mnist, mnist, read_idx


def pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write(folder: Path, end: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, count, seed in (("train-images-idx3-ubyte", 10, 0), ("t10k-images-idx3-ubyte", 6, 1)):
        content = struct.pack(">4i", 2051, count, 28, 28) + pictures(count, seed).tobytes()
        (folder / (stem + end)).write_bytes(gzip.compress(content) if end else content)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "layout"),
    [("fashion_mnist", ""), ("fashion_mnist", "FashionMNIST/raw"), ("mnist", ""), ("mnist", "MNIST/raw")],
)
def test_debians_and_torchvisions_layout_plain_and_compressed(tmp_path: Path, name: str, layout: str, end: str) -> None:
    write(tmp_path / layout, end)
    options = {"name": name, "root": str(tmp_path), "download": False, "crop": 32, "batch_size": 4}
    module = data.build(options, "images_of_one_size", seed=0)
    assert module.info.name == name
    assert module.info.channels == 1
    stored = torch.from_numpy(pictures(10, 0))
    assert len(module.train) + len(module.val) == 10
    for i, sample in enumerate([*map(module.train.__getitem__, range(len(module.train))), module.val[0]]):
        assert sample["image"].shape == (1, 32, 32)
        assert sample["image"].dtype == torch.uint8
        assert torch.equal(sample["image"][0, 2:30, 2:30], stored[i])
        assert sample["image"].sum() == stored[i].sum()  # the border is black
    assert torch.equal(module.test[5]["image"][0, 2:30, 2:30], torch.from_numpy(pictures(6, 1))[5])
    (batch,) = module.train_dataloader()
    trained_on = {sample["name"]: sample["image"] for sample in map(module.train.__getitem__, range(5))}
    assert all(torch.equal(x, trained_on[name]) for x, name in zip(batch["image"], batch["name"], strict=True))
    assert next(iter(module.train_dataloader()))["image"].shape == (4, 1, 32, 32)


def labelled(folder: Path, end: str = "") -> dict[str, list[int]]:
    given = {"train": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3], "t10k": [0, 1, 2, 7, 8, 9]}
    for stem, labels in given.items():
        content = struct.pack(">2i", 2049, len(labels)) + bytes(labels)
        (folder / f"{stem}-labels-idx1-ubyte{end}").write_bytes(gzip.compress(content) if end else content)
    return given


@pytest.mark.parametrize("end", ["", ".gz"])
def test_labels_beside_the_images_give_each_its_class(tmp_path: Path, end: str) -> None:
    write(tmp_path, end)
    options = {"name": "fashion_mnist", "root": str(tmp_path), "download": False, "crop": 32, "batch_size": 4}
    module = data.build(options, "images_of_one_size", seed=0)
    assert not isinstance(module.info, ClassedImages)  # without the files of labels there are no classes
    assert "class" not in module.train[0]
    given = labelled(tmp_path, end)
    module = data.build(options, "images_of_one_size", seed=0)
    assert isinstance(module.info, ClassedImages)
    assert module.info.classes[4] == "Coat"
    stored = [module.train[i]["class"] for i in range(5)] + [module.val[i]["class"] for i in range(5)]
    assert stored == given["train"]
    assert [module.test[i]["class"] for i in range(6)] == given["t10k"]
    (batch,) = module.train_dataloader()
    of_name = {module.train[i]["name"]: module.train[i]["class"] for i in range(5)}
    assert batch["class"].tolist() == [of_name[name] for name in batch["name"]]


def test_labels_of_another_length_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    labelled(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train-labels-idx1-ubyte is no whole IDX file of 10 labels from 0 to 9"):
        fashion_mnist(str(tmp_path), download=False)


def test_a_missing_set_is_said_with_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"does not hold fashion_mnist .*put train-images-idx3-ubyte .*download=true"):
        fashion_mnist(str(tmp_path), download=False)
    write(tmp_path / "FashionMNIST/raw")  # which are no digits
    with pytest.raises(ValueError, match="does not hold mnist"):
        mnist(str(tmp_path), download=False)
    with pytest.raises(ValueError, match=r"data.root is not set; for data=mnist name the folder that holds train-"):
        mnist(None, download=False)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte is no whole IDX file"):
        read_idx(path)


def test_other_sizes_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    options = {"name": "fashion_mnist", "root": str(tmp_path), "download": False, "crop": 64, "batch_size": 4}
    with pytest.raises(ValueError, match=r"images of fashion_mnist are 32 pixels a side.*set data.crop=32"):
        data.build(options, "images_of_one_size", seed=0)
