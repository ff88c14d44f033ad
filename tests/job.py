"""Stands for train.py where a sweep or a search is tested: a job scores what its configuration says, by a formula.

With a file named kill in the folder it is started in, a job after three finished ones is killed.
"""

import os
import signal
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from plumbing.atomic import write_text
from study import run_folder, sweep
from study.identity import plain


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> Any:
    """What train.py leaves in a job's folder, but for what needs a network."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(plain(config)))
    if len(list(Path("runs").glob("*/metrics.json"))) == 3 and Path("kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    miou = 0.5 + 0.1 * config.seed + 0.01 * (config.encoder.width - 16) - 10 * abs(config.task.lr - 3e-3)
    peak = 3.0 if config.upsample.name == "resize_conv" else 20.0
    metrics = {"val/miou": miou, "test/miou": miou, "test/checkerboard/spectral_peak_db": peak}
    metrics |= {"precision": "32-true", "machine": "none", "process": os.getpid()}
    run_folder.write_metrics(folder, metrics)
    return sweep.objectives(config, metrics)


if __name__ == "__main__":
    print("driver", os.getpid(), flush=True)
    main()
