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
NAME = "unet-earth-resize_conv"
# The processes are forks of one that has imported what takes seconds; what each says is kept in a file.
STEPS = """
import json, os, runpy, sys, traceback
import onnxruntime, onnxscript, pytorch_lightning, torchvision

for name, words in json.loads(sys.argv[1]).items():
    if process := os.fork():
        if os.waitpid(process, 0)[1]:
            sys.exit(f"{name} failed")
        continue
    os.dup2(os.open(f"{name}.txt", os.O_WRONLY | os.O_CREAT), 1)
    sys.argv, failed = words, False
    try:
        (runpy.run_path if words[0].endswith(".py") else runpy.run_module)(words[0], run_name="__main__")
    except SystemExit as ended:
        failed = bool(ended.code)
    except BaseException:
        failed = bool(traceback.print_exc() or True)
    sys.stdout.flush()
    os._exit(failed)
"""
LOAD = """
import torch
from models import zoo
print(*zoo.load("unet-earth-resize_conv", "nets")(torch.zeros(1, 3, 45, 70)).shape)
"""


def test_pull_load_predict_evaluate_export(tmp_path: Path) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason="the extra export is not installed")
    here = tmp_path / "empty"
    here.mkdir()
    photo = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)
    Image.fromarray(photo).save(here / "photo (1).jpg")
    (here / "load.py").write_text(LOAD)
    steps = {
        "pull": ["models.zoo", "--zoo", "nets", "pull", NAME, "--from", (ROOT / "zoo").as_uri()],
        "load": ["load.py"],
        "predict": [str(ROOT / "predict.py"), f"nets/{NAME}", "photo (1).jpg", "--output", "out"],
        "evaluate": [
            str(ROOT / "evaluate.py"), f"checkpoint=nets/{NAME}", "+trainer.limit_test_batches=1"
        ],
        "export": [str(ROOT / "export.py"), f"checkpoint=nets/{NAME}", "output=small.onnx"],
    }  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STEPS, json.dumps(steps)]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = {name: (here / f"{name}.txt").read_text() for name in steps}
    assert said["pull"] == f"{NAME}: pulled, checksums agree\n"
    assert said["load"] == "1 3 45 70\n"
    assert Image.open(next((here / "out").rglob("photo (1)*.png"))).size == (70, 45)
    scored = json.loads(next(here.glob(f"evaluations/{NAME}-own-test-*/metrics.json")).read_text())
    assert 0 <= scored["test/miou"] <= 1
    assert "Agrees with PyTorch" in said["export"]
    assert (here / "small.onnx").stat().st_size > 10_000
