"""Hydra, its Optuna sweeper and an SQLite study as they are; only the training is replaced, by tests/job.py."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from study import run_folder

optuna = pytest.importorskip("optuna", reason="searches need the extra optuna")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="searches need the extra optuna")

ROOT = Path(run_folder.__file__).parents[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_study_that_was_killed_runs_only_the_trials_still_missing(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "tests/job.py"), "-m", "hparams=unet_optuna", "hydra.sweeper.n_trials=6"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    def trials() -> list[Any]:
        return optuna.load_study("unet_optuna", f"sqlite:///{tmp_path}/unet_optuna.db").get_trials()

    killed = start()
    assert killed.returncode < 0, killed.stderr
    assert [trial.state.name for trial in trials()] == ["COMPLETE"] * 3 + ["RUNNING"]
    (stopped,) = {path.parent for path in tmp_path.glob("runs/*/config.yaml")} - {
        path.parent for path in tmp_path.glob("runs/*/metrics.json")
    }
    (tmp_path / "kill").unlink()

    again = start()
    assert again.returncode == 0, again.stderr
    assert "Search: 3 trials to go" in again.stdout
    assert [trial.state.name for trial in trials()] == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 3
    assert trials()[4].params == trials()[3].params
    assert (stopped / "metrics.json").exists()
    (comparison,) = tmp_path.glob("runs/comparison-*/comparison.csv")
    folders = len(list(tmp_path.glob("runs/*/metrics.json")))
    assert comparison.read_text().count(",test/miou,") == folders

    nothing_left = start()
    assert nothing_left.returncode == 0, nothing_left.stderr
    assert "Search: 0 trials to go" in nothing_left.stdout
    assert len(trials()) == 7
