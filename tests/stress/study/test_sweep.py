"""A real sweep of four tiny runs, one of which cannot be built: killed in the middle, started again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train
from tests.tiny import TINY

ROOT = Path(train.__file__).parent
COMMAND = [sys.executable, str(ROOT / "train.py"), "-m", "++hydra.callbacks.sweep._target_=study.sweep.Sweep",
           "upsample=bilinear,resize_conv", "task.loss=cross_entropy,nonsense", *TINY,
           "trainer.max_epochs=3"]  # fmt: skip


def table(folder: Path) -> list[dict[str, str]]:
    """The comparison, without what a clock or a memory meter says."""
    (path,) = folder.glob("runs/comparison-sweep-*/comparison.csv")
    with path.open(newline="") as file:
        return [line for line in csv.DictReader(file) if line["score"] not in ("seconds_per_step", "peak_memory_mb")]


def scores(folder: Path) -> dict[str, dict[str, float]]:
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/metrics.json")}
    return {name: {k: v for k, v in metrics.items() if k.startswith("test/")} for name, metrics in found.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_sweep_killed_and_started_again_ends_in_the_same_table(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    done = subprocess.run(COMMAND, cwd=whole, capture_output=True, text=True)
    assert done.returncode == 1  # a job failed
    assert "Sweep: 2 of 4 finished, 2 failed" in done.stdout
    assert done.stderr.count("task.loss is 'nonsense', which does not exist") == 4  # as they fail, and at the end

    with subprocess.Popen(COMMAND, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sweep:
        while not list(killed.glob("runs/*resize_conv*/last.ckpt")):  # the third job has trained an epoch
            assert sweep.poll() is None
            time.sleep(0.1)
        os.kill(sweep.pid, signal.SIGKILL)
    time.sleep(2)  # for the job to end as well
    first = next(killed.glob("runs/*bilinear*/metrics.json"))
    before = first.stat().st_mtime_ns
    assert len(scores(killed)) == 1
    again = subprocess.run(COMMAND, cwd=killed, capture_output=True, text=True)
    assert again.returncode == 1
    assert "Sweep: 4 jobs, 1 finished" in again.stdout
    assert first.stat().st_mtime_ns == before
    assert scores(killed) == scores(whole)
    assert table(killed) == table(whole)
    assert again.stderr.count("task.loss is 'nonsense', which does not exist") == 4
    assert not list(killed.glob("runs/*nonsense*"))
