"""The command of a user, killed twenty times for each kind of learning; about a quarter of an hour on two cores."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import UNET

ROOT = Path(__file__).parents[2]
COMMON = [
    "trainer.precision=32-true", "trainer.checkpoint_minutes=0", "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1",
]  # fmt: skip
SEGMENTATION = [*UNET, "data.batch_size=4", "trainer.max_epochs=4", "+trainer.limit_train_batches=10"]
GAN = ["model=dcgan", "model.size=32", "model.width=8", "data=earth", "task.score_images=8", "task.val_images=8"]
RUNS = {
    "segmentation": SEGMENTATION,
    "segmentation-workers": [*SEGMENTATION, "data.workers=2"],
    "gan": [*GAN, "task.batch_size=8", "trainer.max_steps=60", "trainer.val_check_interval=20"],
    "super_resolution": ["model=espcn", "data=earth", "trainer.max_steps=60", "trainer.val_check_interval=20"],
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_command_killed_twenty_times_ends_with_the_same_weights_and_scores(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests/kill.py"), "20", "0", str(tmp_path / "runs"), "start=command"]
    done = subprocess.run([*command, *RUNS[kind], *COMMON], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["kills"] == 20
    assert report["while a checkpoint was written"] > 0
    assert report["runs that ended otherwise"] == 0
