"""How much memory a large image takes. One to a few minutes a case on one core.

Run with `pytest tests/stress/models`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
CODE = """
import json, resource, sys
from pathlib import Path
import torch
import models
from data.loading.loaded import LabelledImages
from models.tasks.segmentation import Segmentation
import yaml

classes, side, scored = (int(argument) for argument in sys.argv[1:])
names = [str(k) for k in range(classes)]
info = LabelledImages("large", (0.5,) * 3, (0.25,) * 3, names, [(0, 0, 0)] * classes, [1.0] * classes)
encoder = {"family": "plain", "width": 16, "depth": 3}
network = models.build({"model": {"name": "unet"}, "encoder": encoder, "upsample": {"name": "deconv"}}, 3, classes)
options = yaml.safe_load(Path("conf/task/segmentation.yaml").read_text())
for key in ("defaults", "name", "crop", "test_crop", "batch_size"):
    del options[key]
task = Segmentation(network, info, **options).eval()
with torch.no_grad():
    task(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))  # whatever torch sets up once

def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

Path("/proc/self/clear_refs").write_text("5")  # the peak so far is that of the imports
before = resident("VmRSS")
image = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8)
if scored:
    mask = torch.randint(0, classes, (1, side, side), dtype=torch.uint8)
    task.validation_step({"image": image, "mask": mask}, 0)
    task.test_scores.update(task.inference.classes(task, image), mask.long())
    shape = mask.shape
else:
    shape = task.inference.classes(task, image).shape
print(json.dumps({"peak": resident("VmHWM") - before, "shape": shape}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
@pytest.mark.parametrize("scored", [False, True], ids=["segmented", "validated and tested"])
def test_a_large_image_of_21_classes_takes_less_than_2_gb(scored: bool) -> None:
    command = [sys.executable, "-c", CODE, "21", "4000", str(int(scored))]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    print(f"{found['peak'] / 1e9:.2f} GB beyond the model")
    assert found["shape"] == [1, 4000, 4000]
    assert found["peak"] < 2e9
