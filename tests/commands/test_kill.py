"""A training that is really killed. tests/stress/test_kill.py kills more often, and whole commands."""

import json
import subprocess
import sys
from pathlib import Path

from tests.tiny import UNET

ROOT = Path(__file__).parents[2]
SHORT = [
    *UNET,
    "data.batch_size=4",
    "trainer.max_epochs=2",
    "trainer.precision=32-true",
    "callbacks.checkpoint_minutes=0",
    "+trainer.limit_train_batches=4",
    "+trainer.limit_val_batches=1",
]


def test_a_training_killed_in_a_write_ends_with_the_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests/kill.py"), "1", "0", str(tmp_path / "runs"), "start=fork", *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["kills"] == 1
    assert report["while a checkpoint was written"] == 1
    assert report["runs that ended otherwise"] == 0
