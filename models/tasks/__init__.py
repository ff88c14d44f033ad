"""How each kind of network learns and is scored (LightningModules), and what every task shares."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

import models
import upsample
from data import SegmentationData
from models.tasks.segmentation import Segmentation
from models.tasks.training import StepClock, build_trainer, fit, peak_memory_mb

__all__ = ["announce", "build", "build_trainer", "costs", "fit"]

TASKS = {"segmentation": Segmentation}


def build(config: dict[str, Any], data: SegmentationData) -> Segmentation:
    """Build the network of a configuration and the task that trains it on `data`. Raises ValueError in one sentence."""
    task, options = models.choose(TASKS, "task", config["task"])
    network = models.build(config, 3, len(data.classes))
    return task(
        network,
        classes=data.classes,
        palette=data.palette,
        ignore_index=data.ignore_index,
        class_weights=data.class_weights,
        mean=data.mean,
        std=data.std,
        **options,
    )


def macs(task: Segmentation, size: tuple[int, int]) -> int:
    """Multiply-adds of one forward pass of an image of (height, width) pixels."""
    training = task.training
    task.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        task(torch.zeros(1, 3, *size, device=task.device))
    task.train(training)
    return counter.get_total_flops() // 2


def announce(task: Segmentation, trainer: pl.Trainer, data: SegmentationData) -> None:
    """Say what is about to be trained: the resolved upsamplers, the network's size, the precision, the data."""
    described: dict[str, int] = {}
    for level in task.network.upsamplers():
        text = upsample.describe(level)
        described[text] = described.get(text, 0) + 1
    for text, count in described.items():
        print(f"Upsampler x{count}: {text}")
    print(
        f"Network: {sum(p.numel() for p in task.network.parameters()):,} parameters, period {task.network.period}; "
        f"precision {trainer.precision} on {trainer.accelerator.name()}\n"
        f"Data: {data.name}, {len(data.train)} training, {len(data.val)} validation, {len(data.test)} test images",
        flush=True,
    )


def costs(task: Segmentation, trainer: pl.Trainer) -> dict[str, Any]:
    """Parameters, multiply-adds of a test image, median seconds of a training step, peak memory in MB."""
    assert task.example is not None
    height, width = task.example["image"].shape[-2:]
    return {
        "parameters": sum(p.numel() for p in task.network.parameters()),
        "macs": macs(task, (height, width)),
        "macs_image": f"{height}x{width}",
        "seconds_per_step": next(c for c in trainer.callbacks if isinstance(c, StepClock)).median(),  # type: ignore[attr-defined]
        "peak_memory_mb": peak_memory_mb(),
        "precision": trainer.precision,
    }
