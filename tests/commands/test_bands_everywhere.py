"""Images of any number of bands, faced by every command: what is measured, drawn, written and exported of them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

import check_data
import evaluate
import predict
import train
from models import loading
from models.trained.export import export
from models.zoo.from_run import export as to_zoo
from study.identity import described
from tests.data.own_data import scene, write
from tests.power_cut import cut
from tests.tiny import composed

SMALL = ["encoder.width=2", "encoder.depth=1", "data.crop=16", "data.batch_size=2", "trainer.precision=32-true",
         "task.grid_images=0", "trainer.max_epochs=1", "+trainer.limit_train_batches=2", "data/augment=strong"
         ]  # fmt: skip


def banded(root: Path, bands: int, dtype: Any, nodata: float | None = None) -> Path:
    """Bands of noise, of which the last holds the square; the first row has no data."""
    write(root)
    for path in (root / "images").iterdir():
        inside = scene(int(path.stem))[1]
        pixels = np.random.default_rng(int(path.stem)).uniform(2, 100, (*inside.shape, bands)) * 2
        pixels[..., -1] += 50 * inside
        pixels = pixels.astype(dtype)
        tags = []
        if nodata is not None:
            pixels[0], tags = nodata, [(42113, "s", 0, str(nodata), True)]
        path.unlink()
        form: Any = {"photometric": "minisblack", "planarconfig": "contig"} if bands > 1 else {}
        tifffile.imwrite(path.with_suffix(".tif"), pixels if bands > 1 else pixels[..., 0], extratags=tags, **form)
    return root


def stored(path: Path) -> NDArray[Any]:
    pixels = tifffile.imread(path)
    return pixels[..., None] if pixels.ndim == 2 else pixels


KINDS: dict[str, tuple[int, Any, float | None, list[str]]] = {
    "grey of 16 bits": (1, np.uint16, None, ["data.bands=all"]),
    "4 of 8 bits": (4, np.uint8, None, ["data.show=[4,2,1]"]),
    "13 of 32 bits without data in places": (13, np.float32, -9999.0, []),
}


@pytest.mark.parametrize(("bands", "dtype", "nodata", "asked"), KINDS.values(), ids=KINDS.keys())
def test_every_command_takes_them(
    bands: int, dtype: Any, nodata: float | None, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = banded(tmp_path / "set", bands, dtype, nodata)
    for name in ("check", "run"):
        (tmp_path / name).mkdir()
    choices = ["data=folder", *SMALL, f"data.root='{root}'", *asked]
    assert check_data.run(described(composed("check_data", *choices)), tmp_path / "check")
    metrics = train.run(described(composed("config", *choices)), tmp_path / "run")
    assert metrics["baseline"] == ("table of grey levels" if bands == 1 else f"table of {bands} bands")
    best = tmp_path / "run" / "best.ckpt"
    (tmp_path / "run" / "command.txt").write_text("python train.py")
    (tmp_path / "run" / "metrics.json").write_text('{"parameters": 1, "seconds": 1, "precision": "32-true"}')

    question = ["data=folder", f"data.root='{root}'", "split=all", "+task.grid_images=0", "trainer.precision=32-true"]
    scored = evaluate.run(composed("evaluate", f"checkpoint='{best}'", *question), tmp_path / "evaluation")
    assert 0 <= scored["all/miou"] <= 1

    images = sorted((root / "images").iterdir())
    monkeypatch.setattr(sys, "argv", ["predict.py", str(best), str(root / "images"), "--output", str(tmp_path / "out")])
    predict.main()
    net = loading.load(best)
    pixels = stored(images[0]).astype(np.float32 if dtype != np.uint8 else np.uint8)
    filled = np.where(pixels == nodata, np.float32(net.config["mean"]), pixels) if nodata is not None else pixels
    with torch.no_grad():
        expected = net(torch.from_numpy(filled.transpose(2, 0, 1).copy())[None])[0].argmax(0).numpy()
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{images[0].stem}.png")).copy()
    if nodata is not None:
        assert (mask[0] == 255).all()
        mask[0] = expected[0]
    assert np.array_equal(mask, expected)
    assert Image.open(tmp_path / "out" / "overlays" / f"{images[0].stem}.png").mode == "RGB"

    written = export(net, tmp_path / "net.onnx", "onnx", folded=True)
    assert written.error < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (logits,) = session.run(None, {session.get_inputs()[0].name: filled.transpose(2, 0, 1)[None].copy()})
    assert (logits[0].argmax(0) == expected).mean() > 0.99
    assert str(net.config["bands"]["order"]) in session.get_modelmeta().custom_metadata_map["input"]

    made = to_zoo(best, "tiny", tmp_path / "zoo", half=False, licence=None)
    assert made.task == "segmentation"
    again = loading.load(tmp_path / "zoo" / "tiny")
    assert again.bands == net.bands
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), net.state_dict().values(), strict=True))


def test_a_run_of_bands_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = banded(tmp_path / "set", 5, np.float32, -9999.0)
    config = described(
        composed("config", "data=folder", *SMALL, f"data.root='{root}'", "callbacks.checkpoint_minutes=0")
    )
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    train.run(config, tmp_path / "whole")
    from models.tasks.segmentation.task import Segmentation

    cut(monkeypatch, Segmentation, 1, lambda: train.run(config, tmp_path / "cut"))
    train.run(config, tmp_path / "cut")
    one, other = (torch.load(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "cut"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
