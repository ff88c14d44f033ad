"""Two jobs of a sweep by each of Hydra's launchers as it is; only the training is replaced, by tests/job.py.

Ray starts a local cluster; a minute on two cores.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study import run_folder

ROOT = Path(run_folder.__file__).parents[1]


def both_are_collected(launcher: str, plugin: str, extra: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Assert that two jobs ran in other processes and were compared; what the sweep printed."""
    pytest.importorskip(f"hydra_plugins.hydra_{plugin}_launcher", reason=f"needs the extra {extra}")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/job.py"), "-m", f"hydra/launcher={launcher}", "seed=0,1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    metrics = [json.loads(path.read_text()) for path in folder.glob("runs/*/metrics.json")]
    assert sorted(each["test/miou"] for each in metrics) == [0.5, 0.6]
    driver = int(done.stdout.split()[1])
    assert all(each["process"] != driver for each in metrics)
    assert "dilated_deconv has the best mean miou: 0.550 ± 0.071 over 2 seeds." in done.stdout
    return done


def test_two_jobs_of_joblib_both_collected(tmp_path: Path) -> None:
    both_are_collected("joblib", "joblib", "joblib", tmp_path)


def test_two_jobs_of_submitit_both_collected(tmp_path: Path) -> None:
    """submitit_local is submitit_slurm without a cluster: its jobs are pickled, started and collected alike."""
    both_are_collected("submitit_local", "submitit", "slurm", tmp_path)


def test_two_jobs_of_ray_both_collected(tmp_path: Path) -> None:
    done = both_are_collected("ray", "ray", "ray", tmp_path)
    assert "Started a local Ray instance" in done.stderr
