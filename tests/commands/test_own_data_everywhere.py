"""Data of one's own, a row a kind, faced by train.py, check_data.py, evaluate.py and predict.py alike."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import check_data
import evaluate
import predict
import train
from study.identity import described
from tests.data.own_data import numbered, scene, write
from tests.tiny import composed

SMALL = ["encoder.width=2", "encoder.depth=2", "data.crop=16", "data.batch_size=2", "trainer.precision=32-true"]
SHORT = ["trainer.max_epochs=1", "+trainer.limit_train_batches=1"]


def asked(name: str, root: Path, *overrides: str) -> dict[str, Any]:
    return described(composed(name, "data=folder", *SMALL, f"data.root='{root}'", *overrides))


def deep(root: Path) -> Path:
    """12 bits in 16, of which a plain division by 257 leaves sixteen grey levels."""
    write(root)
    for path in (root / "images").iterdir():
        image = scene(int(path.stem))[0][..., 0].astype(np.uint16) * 16
        Image.fromarray(image).save(path)
    return root


def signed(root: Path) -> Path:
    """Numbers below 0 that are classes, in 16 bits."""
    write(root, names="-5 low\n300 high\n")
    for path in (root / "masks").iterdir():
        labels = np.where(scene(int(path.stem))[1], 300, -5).astype(np.int16)
        path.unlink()
        tifffile.imwrite(path.with_suffix(".tif"), labels)
    return root


# How it is written, what is said, and the numbers that predicted masks hold.
ROWS: dict[str, tuple[Callable[[Path], Path], str, set[int]]] = {
    "0 and 255 with two names": (lambda top: write(top, numbered(0, 255), "a\nb\n"), "255 is b", {0, 255}),
    "three levels": (lambda top: write(top, numbered(0, 255, 128)), "255 is a class here", {0, 128, 255}),
    "1 and 2": (lambda top: write(top, numbered(1, 2)), "found in the masks: 1, 2", {1, 2}),
    "an ignored number": (lambda top: write(top, numbered(0, 1, 255)), "Ignored as no class: the number 255", {0, 1}),
    "16 bits of labels": (lambda top: write(top, numbered(7, 4000, dtype=np.uint16)), "7, 4000", {7, 4000}),
    "signed": (signed, "-5 is low, 300 is high", {-5, 300}),
    "12 bits in 16": (deep, "0 to 4095 become 0 to 255", {0, 1}),
    "a suffix": (lambda top: write(top, mask="masks/{i:02d}_gt.png"), "data.mask_suffix=_gt", {0, 1}),
}


@pytest.mark.parametrize(("make", "said", "numbers"), ROWS.values(), ids=ROWS.keys())
def test_every_command_takes_it_says_what_it_made_of_it_and_keeps_its_numbers(
    make: Callable[[Path], Path],
    said: str,
    numbers: set[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make(tmp_path / "set")
    for name in ("check", "run"):
        (tmp_path / name).mkdir()
    assert check_data.run(asked("check_data", root), tmp_path / "check")
    assert said in capsys.readouterr().out
    train.run(asked("config", root, *SHORT), tmp_path / "run")
    assert said in capsys.readouterr().out
    best = tmp_path / "run" / "best.ckpt"

    config = composed("evaluate", f"checkpoint='{best}'", "data=folder", f"data.root='{root}'", "split=all")
    scored = evaluate.run(config, tmp_path / "evaluation")
    assert 0 <= scored["all/miou"] <= 1

    monkeypatch.setattr(sys, "argv", ["predict.py", str(best), str(root / "images"), "--output", str(tmp_path / "out")])
    predict.main()
    masks = [path for path in (tmp_path / "out" / "masks").iterdir() if path.suffix != ".csv"]
    found = set().union(*(np.unique(np.asarray(Image.open(path))).tolist() for path in masks))
    assert len(masks) == 12
    assert found <= numbers


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no data": (lambda top: write(top, numbered(0, 1, -9999, dtype=np.int32), mask="masks/{i:02d}.tif"), "-9999"),
    "one class": (lambda top: write(top, numbered(3, 3)), "has one class alone, 3, so there is nothing to tell apart"),
    "a class that never occurs": (lambda top: write(top, names="a\nb\nc\n"), "no training image holds c"),
    "no masks": (lambda top: write(top, mask="else/{i:02d}.png"), "has no folder masks"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_training_and_checking_refuse_it_alike(make: Callable[[Path], Path], sentence: str, tmp_path: Path) -> None:
    root = make(tmp_path / "set")
    told = []
    for name, run in (("check_data", check_data.run), ("config", train.run)):
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match=sentence) as refusal:
            run(asked(name, root), tmp_path / name)
        told.append(str(refusal.value))
    assert told[0] == told[1]
