"""Hydra, its Optuna sweeper and an SQLite study as they are; only the training is replaced, by a formula."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import run_folder

optuna = pytest.importorskip("optuna", reason="searches need the extra optuna")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="searches need the extra optuna")

ROOT = Path(run_folder.__file__).parent
# Stands for train.py: a job scores what its configuration says; the fourth is killed where a file asks for it.
SCRIPT = f"""
import os, signal
from pathlib import Path
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
import run_folder, sweep
from whole_file import write_text

@hydra.main(version_base="1.3", config_path=r"{ROOT / "conf"}", config_name="config")
def main(config):
    folder = Path(HydraConfig.get().runtime.output_dir)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(run_folder.plain(config)))
    if len(list(Path("runs").glob("*/metrics.json"))) == 3 and Path("kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    miou = 0.5 + 0.01 * config.encoder.width - 10 * abs(config.task.lr - 3e-3)
    peak = 3.0 if config.upsample.name == "resize_conv" else 20.0
    metrics = {{"val/miou": miou, "test/miou": miou, "test/checkerboard/spectral_peak_db": peak}}
    run_folder.write_metrics(folder, metrics | {{"precision": "32-true", "machine": "none"}})
    return sweep.objectives(config, metrics)

main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_study_that_was_killed_runs_only_the_trials_still_missing(tmp_path: Path) -> None:
    (tmp_path / "search_job.py").write_text(SCRIPT)
    (tmp_path / "kill").touch()

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "search_job.py", "-m", "hparams=unet_optuna", "hydra.sweeper.n_trials=6"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    def trials() -> list[optuna.trial.FrozenTrial]:
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
