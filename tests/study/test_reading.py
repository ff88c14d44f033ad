"""Files of runs from anyone: what is not as it should be is refused in a sentence that names the file."""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import reading
from study.reading import printable

WHOLE = "task: {name: segmentation}\ndata: {name: earth}\nseed: 0\n"


def nested(levels: int) -> str:
    return f"{WHOLE}deep: {'[' * levels}{']' * levels}\n"


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)]
    return WHOLE + "\n".join(lines)


CONFIGS: dict[str, tuple[str | bytes, str]] = {
    "an alias bomb": (bomb(), "it has aliases"),
    "a merge key": (WHOLE + "x: &x {a: 1}\ny: {<<: *x}\n", "it has aliases"),
    "a Python object": (WHOLE + "x: !!python/object/apply:os.system ['true']\n", "it has the tag"),
    "a binary tag": (WHOLE + "x: !!binary aGk=\n", "it has the tag"),
    "nesting": (nested(50), "more than 10 levels"),
    "deep nesting": (nested(100_000), "is no YAML that is read here"),
    "size": (WHOLE + "x: " + "y" * 2**18, "larger than the 262,144 bytes"),
    "no YAML": (WHOLE + "x: [1, 2\n", "is no YAML that is read here"),
    "no UTF-8": (WHOLE.encode() + b"x: \xff\xfe\n", "is no YAML that is read here"),
    "a NUL": (WHOLE + "x: \x00\n", "is no YAML that is read here"),
    "nothing": ("", "is not the configuration of a run"),
    "a list": ("[1, 2]", "is not the configuration of a run"),
    "text": ("hello", "is not the configuration of a run"),
    "no seed": ("task: {name: a}\ndata: {name: b}\n", "has no seed, so it is not the configuration of a run"),
    "no task": ("seed: 0\n", "has no task.name, so it is not the configuration of a run"),
    "a seed of text": (WHOLE + "seed: <script>alert(1)</script>\n", "seed must be a whole number, not '<script>"),
    "a seed that is true": (WHOLE + "seed: true\n", "seed must be a whole number, not True"),
    "a seed that is a list": (WHOLE + "seed: [1]\n", "seed must be a whole number"),
    "a seed beyond all sense": (WHOLE + f"seed: 1{'0' * 4000}\n", "has a number beyond all sense"),
    "a task of a number": (WHOLE + "task: {name: 7}\n", "task.name must be text, not 7"),
    "a task without sections": (WHOLE + "task: 7\n", "has no task.name"),
    "a fold of text": (WHOLE + "data: {name: membrane, fold: x}\n", "data.fold must be a whole number, not 'x'"),
    "a date": (WHOLE + "x: 2024-01-01\n", "has a value of the type date"),
    "a set": (WHOLE + "x: {? a, ? b}\ny: !!set {a}\n", "it has the tag"),
    "a bad date": (WHOLE + "x: 2024-99-99\n", "is no YAML that is read here"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_that_cannot_be_one_is_refused(case: str, tmp_path: Path) -> None:
    content, sentence = CONFIGS[case]
    (tmp_path / "config.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        reading.config(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'config.yaml'}")
    assert len(str(refused.value)) < 400


METRICS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is not whole"),
    "half": ('{"test/miou": 0.5, "te', "is not whole"),
    "binary": (b"\x80\x04\x95", "is not whole"),
    "a list": ("[1]", "holds no scores"),
    "null": ("null", "holds no scores"),
    "no scores": ("{}", "holds no scores"),
    "deep": ("[" * 100_000, "is not whole"),
    "a score of text": ('{"test/miou": "<b>1</b>"}', "test/miou must be a number, not '<b>1</b>'"),
    "a score that is true": ('{"test/miou": true}', "test/miou must be a number, not True"),
    "a score that is a list": ('{"val/miou": [0.5]}', "val/miou must be a number"),
    "a sentence that is a list": ('{"test/pattern": ["<b>"]}', "test/pattern must be text, not ['<b>']"),
    "a sentence's number of text": ('{"test/grid/pattern": "x"}', "test/grid/pattern must be a number"),
    "a cost of text": ('{"parameters": "many"}', "parameters must be a number"),
    "a number beyond all sense": ('{"test/miou": 1%s}' % ("0" * 400), "number beyond all sense"),
    "a score beyond all sense": ('{"test/miou": 1e300}', "number beyond all sense"),
    "a period of a billion": ('{"test/miou": 1, "period": 1000000000}', "period must be a whole number from 1 to 1024"),
    "a period of text": ('{"test/miou": 1, "period": "8"}', "period must be a whole number"),
    "size": ('{"x": "%s"}' % ("y" * 2**24), "larger than"),
}


@pytest.mark.parametrize("case", METRICS)
def test_metrics_that_cannot_be_some_are_refused(case: str, tmp_path: Path) -> None:
    content, sentence = METRICS[case]
    (tmp_path / "metrics.json").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        reading.metrics(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'metrics.json'}")
    assert len(str(refused.value)) < 400


def test_what_train_py_writes_is_read(tmp_path: Path) -> None:
    assert reading.metrics(tmp_path) is None
    written = {
        "test/miou": 0.5,
        "test/iou/lake": None,
        "skipped": ["a.png"],
        "machine": "x",
        "warnings": [],
        "seed": 1,
        "test/pattern": "none shown",
        "val/content": "little",
    }
    (tmp_path / "metrics.json").write_text(json.dumps(written | {"test/x": float("nan")}))
    assert reading.metrics(tmp_path) == written | {"test/x": None}


def test_no_text_commands_a_terminal(tmp_path: Path) -> None:
    escape, override = "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe"
    config = {"task": {"name": escape}, "data": {"name": override}, "seed": 0, "\x9b1m": "\r\n"}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    (tmp_path / "metrics.json").write_text(json.dumps({"test/" + escape: 1, "machine": escape}))
    (tmp_path / "failed.json").write_text(json.dumps({"reason": escape}))
    found = f"{reading.config(tmp_path)}{reading.metrics(tmp_path)}{reading.failure(tmp_path / 'failed.json')}"
    assert found.isprintable()
    assert printable(escape) == r"\x1b[2J\x1b]0;title\x07"
    assert printable("größe 漢字 👍") == "größe 漢字 👍"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [pipe, endless, folder, loop])
@pytest.mark.parametrize("name", reading.BYTES)
def test_what_is_no_file_is_not_waited_for(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    read: dict[str, Callable[[Path], Any]] = {"failed.json": lambda folder: reading.failure(folder / name)}
    read |= {"config.yaml": reading.config, "metrics.json": reading.metrics}
    read |= {"history.csv": reading.history, "example.npz": reading.example}
    with pytest.raises(ValueError, match=f"{name} (is no plain file|cannot be read)"):
        read[name](tmp_path)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "{}", '{"cause": 1}', "\xff"])
def test_a_reason_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "failed.json").write_bytes(content.encode("latin1"))
    with pytest.raises(ValueError, match=r"failed\.json is not whole"):
        reading.failure(tmp_path / "failed.json")


@pytest.mark.parametrize(
    "content",
    [
        "step\n1\n",
        "a,b\n1,2\n",
        "step,val/miou\n1,x\n",
        "step,val/miou\n1\n",
        "step,step\n1,2\n",
        "\0",
        "step,a\n1,2,3\n4",
    ],
)
def test_a_history_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(ValueError, match=r"history\.csv is no table of"):
        reading.history(tmp_path)


def test_a_history_is_numbers_by_column(tmp_path: Path) -> None:
    assert reading.history(tmp_path) == {}
    (tmp_path / "history.csv").write_text("step,val/miou\n1,0.5\n2,0.75\n")
    assert reading.history(tmp_path) == {"step": [1, 2], "val/miou": [0.5, 0.75]}


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def announced(shape: str, dtype: str = "|u1", content: bytes = b"") -> bytes:
    """An archive with one array that says what it holds, and holds something else."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr(
            "output.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content
        )
    return file.getvalue()


PICTURE = np.zeros((4, 5, 3), np.uint8)
EXAMPLES: dict[str, bytes] = {
    "nine gigabytes": announced("(55000, 55000, 3)"),
    "nine gigabytes of zeros": announced("(4000, 4000, 3)", content=bytes(1000)),
    "a negative shape": announced("(-1, 4, 3)", content=bytes(100)),
    "a shape that is code": announced("(__import__('os').getpid(), 4, 3)"),
    "objects": archive(output=np.array([{}], dtype=object)),
    "text": archive(output=np.array(["a"])),
    "a picture of numbers": archive(output=PICTURE.astype(float)),
    "a spectrum of whole numbers": archive(spectrum=np.arange(5)),
    "a spectrum that is no number": archive(spectrum=np.array([1.0, np.nan])),
    "nothing": archive(output=np.zeros((0, 4, 3), np.uint8)),
    "many arrays": archive(**{f"a{i}": PICTURE for i in range(30)}),
    "cut off": archive(output=PICTURE)[:-30],
    "no archive": b"hello",
    "another archive": zipfile.ZipFile.__name__.encode() * 100,
}


@pytest.mark.parametrize("case", EXAMPLES)
def test_an_example_that_is_none_is_refused_before_it_is_unpacked(case: str, tmp_path: Path) -> None:
    (tmp_path / "example.npz").write_bytes(EXAMPLES[case])
    with pytest.raises(ValueError, match=r"example\.npz holds no example of a run"):
        reading.example(tmp_path)


def test_an_example_is_read_in_any_byte_order_and_layout(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    picture, spectrum = drawn.integers(256, size=(4, 5, 3), dtype=np.uint8), drawn.normal(size=7)
    (tmp_path / "example.npz").write_bytes(
        archive(output=np.asfortranarray(picture), spectrum=spectrum.astype(">f4"), image=picture)
    )
    found = reading.example(tmp_path)
    assert np.array_equal(found["output"], picture)
    assert np.array_equal(found["image"], picture)
    assert found["spectrum"] == pytest.approx(spectrum, rel=1e-6)
    assert reading.example(tmp_path / "nowhere") == {}
