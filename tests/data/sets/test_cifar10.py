import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import data
from data.sets.cifar10 import read_batch


def pixels(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def published(rows: np.ndarray, label: int = 3) -> bytes:
    """A batch byte for byte as the authors' Python 2 pickled theirs, but for its length."""
    count = len(rows)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01bq\n\x87q\x0bRq\x0c"
        b"(K\x01K" + bytes([count]) + b"M\x00\x0c\x86q\rcnumpy\ndtype\nq\x0eU\x02u1q\x0fK\x00K\x01\x87q\x10Rq\x11"
        b"(K\x03U\x01|q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x13b\x89T"
        + struct.pack("<I", rows.size) + rows.tobytes() + b"q\x14tq\x15b"
    )  # fmt: skip
    labels = b"U\x06labelsq\x04]q\x05(" + bytes([75, label]) * count + b"e"
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03" + labels + b"U\x04dataq\x06" + array
        + b"U\tfilenamesq\x16]q\x17(" + b"U\x05a.png" * count + b"eu."
    )  # fmt: skip


def write(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate(["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]):
        (folder / name).write_bytes(published(pixels(4, i)))
    (folder / "test_batch").write_bytes(published(pixels(6, 5)))


def test_the_published_batches_give_their_pictures_in_order(tmp_path: Path) -> None:
    write(tmp_path)
    options = {"name": "cifar10", "root": str(tmp_path), "download": False, "crop": 32, "batch_size": 4}
    module = data.build(options, "images_of_one_size", seed=0)
    assert module.info.channels == 3
    assert (len(module.train), len(module.val), len(module.test)) == (10, 10, 6)
    stored = np.concatenate([pixels(4, i) for i in range(5)])
    for i in range(20):
        image = (module.train if i < 10 else module.val)[i % 10]["image"]
        for c, y, x in ((0, 0, 1), (1, 5, 30), (2, 31, 31)):  # 1024 bytes of red, row by row, then green, then blue
            assert image[c, y, x] == stored[i, 1024 * c + 32 * y + x]
    assert module.info.classes[module.train[0]["class"]] == "cat"  # 3, as `published` labels all
    assert torch.equal(module.test[5]["image"].flatten(), torch.from_numpy(pixels(6, 5)[5]))
    # pickle itself, which trusts the file, reads the same
    with (tmp_path / "cifar-10-batches-py/test_batch").open("rb") as file:
        assert np.array_equal(pickle.load(file, encoding="latin1")["data"], pixels(6, 5))


@pytest.mark.parametrize(
    "call",
    [
        b"cos\nmkdir\n(S'%s'\ntR.",
        b"cbuiltins\nexec\n(S'import os; os.mkdir(\"%s\")'\ntR.",
        b"cnumpy\nf2py.os.mkdir\n(S'%s'\ntR.",  # a path of attributes, from a module that is admitted
        b"(S'%s'\nios\nmkdir\n.",
        b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c%s\x85R.",
    ],
)
def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path, call: bytes) -> None:
    target = str(tmp_path / "made").encode()
    call = call.replace(b"\x8c%s", b"\x8c" + bytes([len(target)]) + target).replace(b"%s", target)
    batch = tmp_path / "data_batch_1"
    batch.write_bytes(call)
    with pytest.raises(ValueError, match=r"data_batch_1 is no batch of CIFAR-10 \(it asks for .*fetch it again"):
        read_batch(batch)
    assert not (tmp_path / "made").exists()


def test_the_malicious_file_would_have_worked(tmp_path: Path) -> None:
    """That the test above can fail."""
    pickle.loads(b"cos\nmkdir\n(S'%s'\ntR." % str(tmp_path / "made").encode())
    assert (tmp_path / "made").is_dir()


def test_what_is_no_batch_is_refused(tmp_path: Path) -> None:
    batch = tmp_path / "data_batch_1"
    whole = published(pixels(2, 0))
    floats = pickle.dumps({"data": 0.5}, 2)
    other = published(pixels(2, 0), label=10)
    for content, reason in [
        (whole[:-900], ""), (b"", "Ran out"), (b"text", ""), (floats, "no attribute 'dtype'"),
        (other, "its labels are not a number from 0 to 9"),
    ]:  # fmt: skip
        batch.write_bytes(content)
        with pytest.raises(ValueError, match=rf"data_batch_1 is no batch of CIFAR-10 \(.*{reason}"):
            read_batch(batch)


def test_a_missing_set_is_said_with_what_to_put_where(tmp_path: Path) -> None:
    options = {"name": "cifar10", "root": str(tmp_path), "download": False, "crop": 32, "batch_size": 4}
    with pytest.raises(ValueError, match=r"does not hold cifar10 .*; put cifar-10-batches-py/ .*data.download=true"):
        data.build(options, "images_of_one_size", seed=0)
    with pytest.raises(ValueError, match=r"data=cifar10 has no labelled images; choose from ade20k"):
        data.build(options, "labelled_images", seed=0)
