"""Hydra's launchers as they are, a local Ray among them; only the training is replaced, by tests/job.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study import run_folder

ROOT = Path(run_folder.__file__).parents[1]


@pytest.mark.parametrize(
    ("launcher", "plugin", "extra"),
    # submitit_local is submitit_slurm without a cluster: its jobs are pickled, started and collected alike.
    [("joblib", "joblib", "joblib"), ("ray", "ray", "ray"), ("submitit_local", "submitit", "slurm")],
)
def test_two_jobs_elsewhere_both_collected(launcher: str, plugin: str, extra: str, tmp_path: Path) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{plugin}_launcher", reason=f"needs the extra {extra}")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/job.py"), "-m", f"hydra/launcher={launcher}", "seed=0,1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    metrics = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/metrics.json")]
    assert sorted(each["test/miou"] for each in metrics) == [0.5, 0.6]
    driver = int(done.stdout.split()[1])
    assert all(each["process"] != driver for each in metrics)
    assert "dilated_deconv has the best mean miou: 0.550 ± 0.071 over 2 seeds." in done.stdout
    if launcher == "ray":
        assert "Started a local Ray instance" in done.stderr
