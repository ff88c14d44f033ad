"""Every study of conf/experiment: all of its jobs are composed, and one of them is run for two batches."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

import train
import upsample
from study import run_folder, sweep
from tests.tiny import CONF, FEW, SHIFTED, UNET, configuration

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
TINY = {
    "segmentation": [*UNET, "trainer.max_epochs=1", "data.test_crop=64"],
    "super_resolution": [SHIFTED, "trainer.max_steps=2", "trainer.val_check_interval=2"],
    "gan": [
        "model.width=4", "trainer.max_steps=2", "trainer.val_check_interval=2", "task.score_images=20",
        "task.val_images=20",
    ],
}  # fmt: skip


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_and_runs(experiment: str, tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
        folders = sweep.folders_of(whole, sweep.overrides_of_jobs(whole))
    assert len(folders) >= 12
    assert len(set(folders)) == len(folders)
    seeds = {folder.name.rsplit("-", 2)[1] for folder in folders}
    assert seeds == {"0", "1", "2"}
    if experiment == "compare_upsamplers":
        assert {folder.name.split("-")[2] for folder in folders} == set(upsample.available())
    few = [*FEW, "+trainer.limit_test_batches=1", "task.batch_size=4", *TINY[whole.task.name]]
    metrics = train.run(configuration(f"experiment={experiment}", *few), tmp_path)
    assert run_folder.read_metrics(tmp_path)
    assert metrics["seed"] == 0
