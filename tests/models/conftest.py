"""Trained networks of every kind, small and on the embedded data."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

import run_folder
from models import tasks
from models.tasks import Task

CONF = str(Path(run_folder.__file__).parent / "conf")
SMALL = {
    "segmentation": ["encoder.width=4", "encoder.depth=2", "data.crop=64", "data.step=256"],
    "efficientnet": ["encoder=efficientnet_lite0", "encoder.pretrained=true", "data.crop=64", "data.step=256"],
    "super_resolution": ["model=espcn", "upsample=pixel_shuffle", "data.step=256"],
    "gan": ["model=dcgan", "model.width=4", "upsample=deconv", "data.step=256"],
}


@pytest.fixture(scope="session")
def saved_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Task, Path]]:
    """`saved_run(kind, *overrides)`: a task with weights that are not the initial ones, and its checkpoint."""

    def make(kind: str, *overrides: str) -> tuple[Task, Path]:
        with initialize_config_dir(CONF, version_base="1.3"):
            config = run_folder.plain(compose("config", [*SMALL[kind], *overrides]))
        torch.manual_seed(0)
        task, _ = tasks.build(config)
        for tensor in task.network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand(tensor.shape))
        stored = {"state_dict": task.state_dict()}
        task.on_save_checkpoint(stored)
        path = tmp_path_factory.mktemp(kind) / "best.ckpt"
        torch.save(stored, path)
        return task.eval(), path

    return make
