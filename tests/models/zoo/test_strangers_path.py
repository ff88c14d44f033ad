"""From a hub to masks, scores and ONNX in an empty directory, each step a process of its own, as a stranger goes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study import run_folder

ROOT = Path(run_folder.__file__).parents[1]


def test_pull_load_predict_evaluate_export(zoo: Path, tmp_path: Path) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason="the extra export is not installed")
    here = tmp_path / "empty"
    here.mkdir()
    photo = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)
    Image.fromarray(photo).save(here / "photo (1).jpg")

    def step(*arguments: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, *arguments], cwd=here, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = step("-m", "models.zoo", "--zoo", "nets", "pull", "small", "--from", zoo.as_uri())
    assert said == "small: pulled, checksums agree\n"
    load = "import torch; from models import zoo; net = zoo.load('small', 'nets'); "
    assert step("-c", load + "print(*net(torch.zeros(1, 3, 45, 70)).shape)") == "1 3 45 70\n"
    step(str(ROOT / "predict.py"), "nets/small", "photo (1).jpg", "--output", "out")
    mask = Image.open(next((here / "out").rglob("photo (1)*.png")))
    assert mask.size == (70, 45)
    step(str(ROOT / "evaluate.py"), "checkpoint=nets/small", "+trainer.limit_test_batches=1")
    scored = json.loads(next(here.glob("evaluations/small-own-test-*/metrics.json")).read_text())
    assert 0 <= scored["test/miou"] <= 1
    assert "Agrees with PyTorch" in step(str(ROOT / "export.py"), "checkpoint=nets/small", "output=small.onnx")
    assert (here / "small.onnx").stat().st_size > 10_000
