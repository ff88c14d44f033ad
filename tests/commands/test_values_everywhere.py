"""A number for each pixel, faced by every command: what is learnt, measured, drawn, written, exported and resumed."""

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
from models.tasks.regression.task import Regression
from models.trained.export import export
from models.zoo.from_run import export as to_zoo
from study.identity import described
from tests.data.own_data import COUNT, save, scene
from tests.power_cut import cut
from tests.tiny import composed

SMALL = ["task=regression", "encoder.width=2", "encoder.depth=1", "data.crop=16", "data.batch_size=2",
         "trainer.precision=32-true", "task.grid_images=0", "trainer.max_epochs=1", "+trainer.limit_train_batches=2",
         "data/augment=strong"]  # fmt: skip
NODATA = -9999.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve images whose value is 100 and more, 50 in the square, and none in the top row."""
    for i in range(COUNT):
        image, inside = scene(i)
        save(image, tmp_path / "set" / "images" / f"{i:02d}.png")
        values = np.where(inside, 50.0, 100.0 + image[..., 0] / 10).astype(np.float32)
        values[0] = NODATA
        (tmp_path / "set" / "values").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "set" / "values" / f"{i:02d}.tif", values)
    return tmp_path / "set"


def asked(name: str, root: Path, *more: str) -> dict[str, Any]:
    own = [f"data.root='{root}'", f"data.value_nodata={NODATA}", "data.unit=mm"]
    return described(composed(name, "data=folder", *SMALL, *own, *more))


def test_every_command_takes_them(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("check", "run"):
        (tmp_path / name).mkdir()
    assert check_data.run(asked("check_data", root), tmp_path / "check")
    said = capsys.readouterr().out
    assert "Values from 50 to " in said
    assert " mm, mean " in said
    assert "Without a value, neither trained nor scored: 3.1% of the pixels" in said  # a row of 32
    metrics = train.run(asked("config", root), tmp_path / "run")
    assert metrics["baseline"] == "colour table"
    assert metrics["baseline/rmse"] < metrics["test/rmse"] < 200  # two steps are no training
    assert (metrics["unit"], metrics["val/rmse"] > 0) == ("mm", True)
    assert "is " in " ".join(metrics["warnings"])
    assert "above the" in " ".join(metrics["warnings"])
    best = tmp_path / "run" / "best.ckpt"
    page = (tmp_path / "run" / "report.html").read_text()
    assert " mm" in page
    assert (tmp_path / "run" / "pairs.png").is_file()
    (tmp_path / "run" / "command.txt").write_text("python train.py")

    question = ["data=folder", f"data.root='{root}'", f"data.value_nodata={NODATA}", "data.unit=m", "split=all"]
    question.append("trainer.precision=32-true")
    scored = evaluate.run(composed("evaluate", f"checkpoint='{best}'", *question), tmp_path / "evaluation")
    assert "values of set are in 'm', those of training in 'mm'" in capsys.readouterr().out
    net = loading.load(best)
    seen, true = [], []
    for i in range(COUNT):
        with torch.no_grad():
            seen.append(net(torch.from_numpy(scene(i)[0]).permute(2, 0, 1)[None])[0, 0].numpy())
        true.append(tifffile.imread(root / "values" / f"{i:02d}.tif"))
    error = (np.stack(seen) - np.stack(true))[:, 1:].astype(np.float64)
    assert scored["all/rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert scored["all/mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)

    monkeypatch.setattr(sys, "argv", ["predict.py", str(best), str(root / "images"), "--output", str(tmp_path / "out")])
    predict.main()
    assert np.allclose(tifffile.imread(tmp_path / "out" / "values" / "03.tif"), seen[3], atol=1e-3)
    assert Image.open(tmp_path / "out" / "pictures" / "03.png").mode == "RGB"

    written = export(net, tmp_path / "net.onnx", "onnx", folded=True)
    assert written.error < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (values,) = session.run(None, {session.get_inputs()[0].name: scene(3)[0].transpose(2, 0, 1)[None].copy()})
    assert np.allclose(values[0, 0], seen[3], rtol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["output"] == "values in mm"

    made = to_zoo(best, "tiny", tmp_path / "zoo", half=False, licence=None)
    assert made.task == "regression"
    again = loading.load(tmp_path / "zoo" / "tiny")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), net.state_dict().values(), strict=True))
    assert again.config["values"] == net.config["values"]


def test_a_run_goes_on_to_the_same_weights(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = asked("config", root, "callbacks.checkpoint_minutes=0", "task.ema=0.5")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    train.run(config, tmp_path / "whole")
    cut(monkeypatch, Regression, 1, lambda: train.run(config, tmp_path / "cut"))
    train.run(config, tmp_path / "cut")
    one, other = (torch.load(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "cut"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data=earth"], "data=earth has no images with values; choose from earth_elevation, folder"),
        (["model=espcn"], "model=espcn does not make what task=regression learns; .* choose from deeplab, smp, unet"),
        (["task.loss=l3"], "task.loss is 'l3', which does not exist"),
    ],
)
def test_what_cannot_be_is_refused(overrides: list[str], sentence: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        train.run(
            described(
                composed(
                    "config",
                    f"data.root='{root}'" if not overrides[0].startswith("data=") else "seed=0",
                    *(["data=folder"] if not overrides[0].startswith("data=") else []),
                    "task=regression",
                    *overrides,
                )
            ),
            tmp_path,
        )


def test_colours_and_another_size_are_no_values(root: Path, tmp_path: Path) -> None:
    save(scene(0)[0], root / "values" / "00.png")
    (root / "values" / "00.tif").unlink()
    with pytest.raises(ValueError, match=r"00.png has 3 bands \(RGB\); save one number a pixel"):
        train.run(asked("config", root), tmp_path)
    save(scene(0)[0][:9, :, 0], root / "values" / "00.png")
    with pytest.raises(ValueError, match=r"00\.png has 9 x 32 pixels, its image 32 x 32; save both in one size"):
        train.run(asked("config", root), tmp_path)
