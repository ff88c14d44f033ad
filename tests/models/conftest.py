"""Trained networks of every kind, small and on the embedded data."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.tasks.build import build_task
from models.training.task import Task
from tests.tiny import CROPS, DCGAN, ESPCN, UNET, configuration

SMALL = {
    "segmentation": UNET,
    "efficientnet": ["encoder=efficientnet_lite0", "encoder.pretrained=true", *CROPS],
    "super_resolution": [*ESPCN, "upsample=pixel_shuffle"],
    "gan": DCGAN,
}


@pytest.fixture(scope="session")
def saved_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Task, Path]]:
    """`saved_run(kind, *overrides)`: a task with weights that are not the initial ones, and its checkpoint."""

    def make(kind: str, *overrides: str) -> tuple[Task, Path]:
        torch.manual_seed(0)
        task, _ = build_task(configuration(*SMALL[kind], *overrides))
        for tensor in task.network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand(tensor.shape))
        stored = {"state_dict": task.state_dict()}
        task.on_save_checkpoint(stored)
        path = tmp_path_factory.mktemp(kind) / "best.ckpt"
        torch.save(stored, path)
        return task.eval(), path

    return make
