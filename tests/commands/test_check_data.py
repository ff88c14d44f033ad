"""check_data.py on a folder whose numbers are known."""

import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import matplotlib.image
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

import check_data
from data.files import reading


def write(root: Path) -> None:
    """Two classes in 10 x 10 pixels: halves in train, one alone in val, a quarter and an ignored row in test."""
    half, full, quarter = np.zeros((3, 10, 10), np.uint8)
    half[5:], full[:], quarter[:5, :5], quarter[9] = 1, 1, 1, 255
    for split, masks in (("train", [half] * 3), ("val", [full]), ("test", [quarter])):
        for part in ("images", "masks"):
            (root / split / part).mkdir(parents=True)
        for i, mask in enumerate(masks):
            Image.fromarray(np.full((10, 10, 3), 60 * i, np.uint8)).save(root / split / "images" / f"{split}{i}.png")
            Image.fromarray(mask).save(root / split / "masks" / f"{split}{i}.png")
    (root / "classes.txt").write_text("grass\nwater\n")


def run(monkeypatch: pytest.MonkeyPatch, root: Path, folder: Path, *overrides: str) -> None:
    arguments: list[Any] = ["check_data.py", f"data.root='{root}'", f"hydra.run.dir='{folder}'", *overrides]
    monkeypatch.setattr(sys, "argv", arguments)
    GlobalHydra.instance().clear()
    runpy.run_path(check_data.__file__, run_name="__main__")


def cells(printed: str, first: str) -> list[str]:
    """The row of a printed table that begins with a word."""
    return next(line.split() for line in printed.splitlines() if line.split()[:1] == [first])


def test_it_prints_what_is_there_and_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "set")
    run(monkeypatch, tmp_path / "set", tmp_path / "out")
    printed = capsys.readouterr().out
    assert cells(printed, "train")[1:] == ["3", "1", "10", "x", "10", "10", "x", "10"]
    assert cells(printed, "grass")[1:] == ["50.00", "0.00", "72.22", "3", "1.00"]  # 65 of 90 labelled pixels
    assert cells(printed, "water")[1:] == ["50.00", "100.00", "27.78", "3", "1.00"]
    assert cells(printed, "(ignored)")[1:] == ["0.00", "0.00", "10.00"]
    assert "Look at: 1 masks of val hold one class alone: val0" in printed
    sheet = matplotlib.image.imread(tmp_path / "out" / "contact_sheet.png")[..., :3]
    shown = {tuple(colour) for colour in (sheet * 255).round().astype(int).reshape(-1, 3)[::7].tolist()}
    assert (47, 99, 128) in shown  # water, the second bright colour (86, 180, 233), at 0.55 over a black image


def test_each_file_is_read_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image: its header and its pixels. A mask: header, the numbers in it, and once more when these are known."""
    for i in range(40):
        for part, pixels in (("images", np.full((9, 8, 3), i)), ("masks", np.arange(72).reshape(9, 8) % 2)):
            (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
            path = tmp_path / "set" / part / f"{i:02}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    monkeypatch.setattr(reading, "SETTLED", 0)
    opened = Mock(wraps=reading.image_of)
    monkeypatch.setattr(reading, "image_of", opened)
    monkeypatch.setattr("data.loading.labelled.COUNTED", 4)  # of which brightness is counted
    monkeypatch.setattr("data.check.contact_sheet.COLUMNS", 1)  # of which a sheet shows 3
    run(monkeypatch, tmp_path / "set", tmp_path / "out")
    times = Counter(call.args[0] for call in opened.call_args_list)
    by_part = Counter((path.parent.name, n) for path, n in times.items())
    assert by_part["images", 2] + by_part["images", 3] >= 38
    assert by_part["masks", 3] + by_part["masks", 4] >= 38
    assert times.total() <= 40 * 5 + 2 * (4 + 3) + 6


def test_it_ends_with_exit_code_1_and_every_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    write(root)
    (root / "train" / "images" / "train1.png").write_bytes(b"")
    Image.fromarray(np.full((10, 10), 9, np.uint8)).save(root / "train" / "masks" / "train2.png")
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, root, tmp_path / "out")
    assert ended.value.code == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert ["train1.png is empty" in told[0], "train2.png holds the label 9 in 100 pixels" in told[1]] == [True, True]
    assert len(told) == 2
    run(monkeypatch, root, tmp_path / "out", "data.on_error=skip")


def test_where_nothing_is_left_it_says_what_train_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    write(root)
    path = root / "val" / "images" / "val0.png"
    path.write_bytes(b"")
    with pytest.raises(SystemExit):
        run(monkeypatch, root, tmp_path / "out")
    assert capsys.readouterr().err.endswith(f"Error: {path} is empty (0 bytes); copy it again or remove it\n")
