"""A stranger's week with data of their own, from what they have to what they take away, in two ways."""

import csv
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import check_data
import evaluate
import predict
import train
from data.outlines.__main__ import convert
from models import loading
from models.tasks.segmentation.task import Segmentation
from models.trained.export import export
from study import run_folder
from study.identity import described
from tests.data.own_data import COUNT, numbered, save, scene, write
from tests.tiny import composed

SMALL = ["encoder.width=2", "encoder.depth=2", "data.crop=16", "data.batch_size=2", "trainer.precision=32-true"]
SHORT = ["trainer.max_epochs=2", "+trainer.limit_train_batches=2"]


def asked(name: str, root: Path, *overrides: str) -> dict[str, Any]:
    return described(composed(name, "data=folder", *SMALL, f"data.root='{root}'", *overrides))


def checked(root: Path, folder: Path) -> bool:
    folder.mkdir()
    return check_data.run(asked("check_data", root), folder)


def stopped_and_resumed(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Train; SIGTERM comes in the first step; the same again goes on to the end."""
    folder.mkdir()
    config, step = asked("config", root, *SHORT), Segmentation.training_step

    def interrupted(self: Segmentation, batch: dict[str, Any], index: int) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(Segmentation, "training_step", interrupted)
        with pytest.raises(SystemExit) as ended:
            train.run(config, folder)
    assert ended.value.code == 143
    assert not (folder / "metrics.json").exists()
    assert (folder / "last.ckpt").exists()
    metrics = train.run(config, folder)
    assert run_folder.read_metrics(folder)
    return metrics


def scored(checkpoint: Path, root: Path, folder: Path) -> dict[str, Any]:
    config = composed("evaluate", f"checkpoint='{checkpoint}'", "data=folder", f"data.root='{root}'")
    return evaluate.run(config, folder)


def predicted(checkpoint: Path, inputs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    monkeypatch.setattr(sys, "argv", ["predict.py", str(checkpoint), str(inputs), "--output", str(out)])
    predict.main()
    masks = (out / "masks").rglob("*.png")
    return {path.relative_to(out / "masks").with_suffix("").as_posix(): np.asarray(Image.open(path)) for path in masks}


def legend(out: Path) -> list[list[str]]:
    with (out / "masks" / "legend.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def outlined(top: Path) -> Path:
    """Images with outlines by labelme: a square each, and an ignored corner."""
    for i in range(COUNT):
        image, inside = scene(i)
        save(image, top / f"photo {i}.png")
        rows, columns = np.nonzero(inside)
        corners = [[int(columns[0]), int(rows[0])], [int(columns[-1]) + 1, int(rows[-1]) + 1]]
        shapes = [
            {"label": "$quare, [b]big[/b]", "shape_type": "rectangle", "points": corners},
            {"label": "__ignore__", "shape_type": "rectangle", "points": [[0, 0], [2, 2]]},
        ]
        content = {"imagePath": f"photo {i}.png", "shapes": shapes}
        (top / f"photo {i}.json").write_text(json.dumps(content))
    return top


def test_from_outlines_to_an_exported_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocotools", reason="outlines are drawn by pycocotools, an extra")
    root = tmp_path / "Mes données (1)"
    convert(outlined(tmp_path / "labelled"), root)
    assert checked(root, tmp_path / "check")
    run = tmp_path / "run"
    metrics = stopped_and_resumed(root, run, monkeypatch)
    assert {"test/iou/background", "test/iou/$quare, [b]big[/b]"} <= set(metrics)
    best = run / "best.ckpt"

    other = tmp_path / "other"  # all labels but the numbers 0, 1 are missing here, and there is no classes.txt
    write(other, which=range(20, 23))
    again = scored(best, other, tmp_path / "evaluation")
    assert 0 <= again["test/miou"] <= 1
    assert "baseline/miou" not in again  # there is nothing to fit a table on

    masks = predicted(best, other / "images", tmp_path / "out", monkeypatch)
    assert set(masks) == {"20", "21", "22"}
    assert set(np.unique(list(masks.values())).tolist()) <= {0, 1}
    assert [row[:2] for row in legend(tmp_path / "out")] == [
        ["label", "name"],
        ["0", "background"],
        ["1", "$quare, [b]big[/b]"],
    ]
    written = export(loading.load(best), tmp_path / "net.pt2", "torch_export", True, False)
    assert written.path.stat().st_size > 0
    assert written.error < 1e-3


def mixed(top: Path) -> Path:
    """Masks of 0 and 255 with a suffix, JPEG and PNG mixed, names with spaces and accents, one outside the splits."""
    for i in range(COUNT):
        image, inside = scene(i)
        save(image, top / "img" / "jour 1" / f"été {i}.{'jpg' if i % 2 else 'PNG'}")
        save(numbered(0, 255)(inside), top / "label" / "jour 1" / f"été {i}_mask.png")
    (top / "classes.txt").write_text("﻿sol\r\nbâtiment\r\n", encoding="utf-8")
    return top


def test_from_masks_of_0_and_255_to_predictions_of_0_and_255(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = mixed(tmp_path / "données, à moi")
    assert checked(root, tmp_path / "check")
    told = capsys.readouterr().out
    assert "Classes: 0 is sol, 255 is bâtiment" in told
    assert "data.mask_suffix=_mask" in told
    run = tmp_path / "run"
    metrics = stopped_and_resumed(root, run, monkeypatch)
    assert {"test/iou/sol", "test/iou/bâtiment"} <= set(metrics)
    for line in (line for line in told.splitlines() if line.startswith(("Classes", "Masks of"))):
        assert line in capsys.readouterr().out + told

    tested = tmp_path / "other"
    write(tested, numbered(0, 255), image="test/images/{i}.png", mask="test/masks/{i}.png", which=range(1))
    again = scored(run / "best.ckpt", tested, tmp_path / "evaluation")  # one image, in test/ alone
    assert 0 <= again["test/miou"] <= 1

    masks = predicted(run / "best.ckpt", root / "img", tmp_path / "out", monkeypatch)
    assert len(masks) == COUNT
    assert "jour 1/été 3" in masks
    assert set(np.unique(list(masks.values())).tolist()) <= {0, 255}
    assert [row[:2] for row in legend(tmp_path / "out")[1:]] == [["0", "sol"], ["255", "bâtiment"]]
