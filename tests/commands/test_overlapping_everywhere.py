"""Classes that may overlap, and one class alone, faced by every command: learnt, scored, written, exported, resumed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tifffile
import torch
from PIL import Image

import check_data
import evaluate
import predict
import train
from models import loading
from models.tasks.segmentation.task import Segmentation
from models.trained.export import export
from models.zoo.from_run import export as to_zoo
from study.identity import described
from tests.data.own_data import COUNT, save, scene, write
from tests.power_cut import cut
from tests.tiny import composed

SMALL = ["encoder.width=2", "encoder.depth=1", "data.crop=16", "data.batch_size=2", "trainer.precision=32-true",
         "task.grid_images=0", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "data/augment=strong"
         ]  # fmt: skip


def folders(root: Path) -> Path:
    """A square, and in most images its right half too; the first has no mask of that."""
    for i in range(COUNT):
        image, inside = scene(i)
        save(image, root / "images" / f"{i:02d}.png")
        save(inside.astype(np.uint8) * 255, root / "masks" / "square" / f"{i:02d}.png")
        if i:
            save(right_half(inside).astype(np.uint8) * 255, root / "masks" / "half" / f"{i:02d}.png")
    return root


def right_half(inside: np.ndarray) -> np.ndarray:
    columns = np.flatnonzero(inside.any(0))
    return inside & (np.arange(inside.shape[1]) > columns.mean())


def bands(root: Path) -> Path:
    """The same in a file of two bands of 0 and 1, with a row that is not known, and names."""
    write(root, names="half\nsquare\n")
    for path in (root / "masks").iterdir():
        inside = scene(int(path.stem))[1]
        planes = np.stack([right_half(inside), inside], -1).astype(np.uint8)
        planes[0] = 255
        path.unlink()
        tifffile.imwrite(path.with_suffix(".tif"), planes, photometric="minisblack", planarconfig="contig")
    return root


def asked(name: str, root: Path, *more: str) -> dict[str, Any]:
    return described(composed(name, "data=folder", *SMALL, f"data.root='{root}'", *more))


@pytest.mark.parametrize(
    ("make", "said"),
    [(folders, "mask where 255 is the class: half, square"), (bands, "mask where 1 is the class: half, square")],
)
def test_every_command_takes_them(
    make: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "set")
    for name in ("check", "run"):
        (tmp_path / name).mkdir()
    assert check_data.run(asked("check_data", root), tmp_path / "check")
    told = capsys.readouterr().out
    assert said in told
    if make is folders:
        assert "Without a mask, and taken for nowhere in their image: 1 of the classes' masks" in told
    else:
        assert "Ignored as not known: the number 255" in told
    metrics = train.run(asked("config", root, "task.loss=tversky"), tmp_path / "run")
    assert metrics["baseline/miou"] > 0.1  # the square is bright
    assert 0 <= metrics["test/iou/half"] <= 1
    best = tmp_path / "run" / "best.ckpt"
    assert (tmp_path / "run" / "report.png").stat().st_size > 20_000
    (tmp_path / "run" / "command.txt").write_text("python train.py")

    question = ["data=folder", f"data.root='{root}'", "split=all", "trainer.precision=32-true"]
    scored = evaluate.run(composed("evaluate", f"checkpoint='{best}'", *question), tmp_path / "evaluation")
    net = loading.load(best)
    assert len(net.thresholds) == 2
    hit, union, found = np.zeros(2), np.zeros(2), []
    for i in range(COUNT):
        image, inside = scene(i)
        with torch.no_grad():
            probability = net(torch.from_numpy(image).permute(2, 0, 1)[None])[0].sigmoid().numpy()
        found.append(probability >= np.array(net.thresholds, np.float32)[:, None, None])
        true = np.stack([right_half(inside) & (make is bands or i > 0), inside])
        rows = slice(1, None) if make is bands else slice(None)
        hit += (found[-1] & true)[:, rows].sum((1, 2))
        union += (found[-1] | true)[:, rows].sum((1, 2))
    assert (scored["all/iou/half"], scored["all/iou/square"]) == pytest.approx(tuple(hit / union), abs=2e-3)

    arguments = ["predict.py", str(best), str(root / "images"), "--output", str(tmp_path / "out"), "--probabilities"]
    monkeypatch.setattr(sys, "argv", arguments)
    predict.main()
    for k, name in enumerate(("half", "square")):
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / name / "03.png"))
        assert set(np.unique(mask)) <= {0, 255}
        assert np.array_equal(mask == 255, found[3][k])
    assert np.load(tmp_path / "out" / "probabilities" / "03.npz")["probabilities"].shape == (32, 32, 2)

    assert export(net, tmp_path / "net.onnx", "onnx", folded=True).error < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert "thresholds" in session.get_modelmeta().custom_metadata_map
    to_zoo(best, "tiny", tmp_path / "zoo", half=False, licence=None)
    assert loading.load(tmp_path / "zoo" / "tiny").thresholds == net.thresholds


def test_one_class_as_one_logit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "set", names="ground\nhouse\n")
    (tmp_path / "run").mkdir()
    metrics = train.run(asked("config", root, "task.labels=binary"), tmp_path / "run")
    assert metrics["val/iou"] >= 0
    assert metrics["test/dice"] == pytest.approx(2 * metrics["test/iou"] / (1 + metrics["test/iou"]))
    assert {"baseline/iou", "test/precision", "test/recall"} <= set(metrics)
    net = loading.load(tmp_path / "run" / "best.ckpt")
    with torch.no_grad():
        logits = net(torch.from_numpy(scene(3)[0]).permute(2, 0, 1)[None])
    assert logits.shape == (1, 1, 32, 32)
    monkeypatch.setattr(
        sys,
        "argv",
        ["predict.py", str(tmp_path / "run" / "best.ckpt"), str(root / "images"), "--output", str(tmp_path / "out")],
    )
    predict.main()
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "03.png"))
    assert np.array_equal(mask, (logits[0, 0].sigmoid() >= net.thresholds[0]).numpy())
    assert "house" in (tmp_path / "out" / "masks" / "legend.csv").read_text()


def test_a_run_goes_on_to_the_same_weights_and_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folders(tmp_path / "set")
    config = asked("config", root, "callbacks.checkpoint_minutes=0", "task.ema=0.5", "trainer.max_epochs=2")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    train.run(config, tmp_path / "whole")
    cut(monkeypatch, Segmentation, 3, lambda: train.run(config, tmp_path / "cut"))
    train.run(config, tmp_path / "cut")
    one, other = (torch.load(tmp_path / name / "last.ckpt") for name in ("whole", "cut"))
    assert "labels.thresholds" in one["state_dict"]
    assert all(torch.equal(value, other["state_dict"][key]) for key, value in one["state_dict"].items())
    assert one["config"]["thresholds"] == other["config"]["thresholds"]


def test_masks_that_cannot_be_are_refused(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    save(np.full((32, 32), 7, np.uint8), root / "masks" / "half" / "01.png")
    with pytest.raises(ValueError, match="hold the numbers 0, 7, 255; a class's mask holds 0 and one other number"):
        train.run(asked("config", root, "data.ignore_index=none"), tmp_path)
    (root / "masks" / "half" / "01.png").unlink()
    save(np.zeros((9, 32), np.uint8), root / "masks" / "half" / "01.png")
    with pytest.raises(ValueError, match=r"half/01\.png has 9 x 32 pixels, its image 32 x 32"):
        train.run(asked("config", root), tmp_path)
    (root / "masks" / "half" / "01.png").unlink()
    (root / "classes.txt").write_text("half\nothers\n")
    with pytest.raises(ValueError, match="names half, others, but the folders of masks are half, square"):
        train.run(asked("config", root), tmp_path)
