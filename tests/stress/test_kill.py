"""The command of a user, killed twenty times for each kind of learning; about half an hour on two cores."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import UNET

ROOT = Path(__file__).parents[2]
COMMON = [
    "trainer.precision=32-true", "callbacks.checkpoint_minutes=0", "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1",
]  # fmt: skip
SEGMENTATION = ["data.batch_size=4", "trainer.max_epochs=4", "+trainer.limit_train_batches=10"]
GAN = ["model=dcgan", "model.size=32", "model.width=8", "data=earth", "task.score_images=8", "task.val_images=8"]
RUNS = {
    "segmentation": [*UNET, *SEGMENTATION],
    "workers": [
        "encoder.width=4",
        "encoder.depth=2",
        "data=folder",
        "task.crop=64",
        "data.workers=2",
        *SEGMENTATION,
    ],
    "gan": [*GAN, "task.batch_size=8", "trainer.max_steps=60", "trainer.val_check_interval=20"],
    "super_resolution": ["model=espcn", "data=earth", "trainer.max_steps=60", "trainer.val_check_interval=20"],
}


def noise(folder: Path) -> Path:
    """Sixty images and masks of noise, which workers have to read; what comes with a package is read at once."""
    draw = np.random.default_rng(0)
    for kind, levels, shape in (("images", 256, (96, 96, 3)), ("masks", 2, (96, 96))):
        (folder / kind).mkdir(parents=True)
        for i in range(60):
            Image.fromarray(draw.integers(levels, size=shape, dtype=np.uint8)).save(folder / kind / f"{i}.png")
    return folder


@pytest.mark.parametrize("kind", RUNS)
def test_a_command_killed_twenty_times_ends_with_the_same_weights_and_scores(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests/kill.py"), "20", "0", str(tmp_path / "runs"), "start=command"]
    data = [f"data.root='{noise(tmp_path / 'noise')}'"] if kind == "workers" else []
    done = subprocess.run([*command, *RUNS[kind], *data, *COMMON], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["kills"] == 20
    assert report["while a checkpoint was written"] > 0
    assert report["runs that ended otherwise"] == 0
