"""What is said of a training besides its scores: before it, what will be trained; after it, costs and incidents."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

import upsample
from data.loading.datamodule import DataModule
from models.tasks.generation.watch import GANWatch
from models.training.callbacks.checkpoints.best_checkpoint import BestCheckpoint
from models.training.callbacks.nan_guard import NaNGuard
from models.training.callbacks.step_clock import clock_of
from models.training.task import Task
from models.training.trainer import machine
from plumbing.messages import say
from upsample.models.evaluating import weights_computed


def announce(task: Task, trainer: pl.Trainer, module: DataModule) -> None:
    """Say what is about to be trained: the resolved upsamplers, the network's size, the precision, the data."""
    assert task.config is not None  # `build` and `evaluation.rebuild` give it one
    name = task.config["upsample"]["name"]
    described: dict[str, int] = {}
    for level in task.network.upsamplers():
        text = upsample.describe(level)
        described[text] = described.get(text, 0) + 1
    for text, count in described.items():
        say(f"Upsampler {name} x{count}: {text}")
    for note in (*task.begun, *task.notes(), *module.notes):
        say(note)
    say(
        f"Network: {sum(p.numel() for p in task.network.parameters()):,} parameters, period {task.network.period}; "
        f"precision {trainer.precision} on {trainer.accelerator.name()}"
    )
    say(
        f"Data: {module.info.name}, {len(module.train)} training, {len(module.val)} validation, "
        f"{len(module.test)} test images",
    )


def costs(task: Task, trainer: pl.Trainer) -> dict[str, Any]:
    """Parameters, multiply-adds of one forward pass, median seconds of a step, peak memory in MB, and the machine.

    Parameters and multiply-adds are those of the network as it is used: collapsed where it can be.
    """
    example = task.example_input().to(task.device)
    clock, trained = clock_of(trainer), task.eval().network
    used = deepcopy(trained)
    used.collapse()
    task.network = used
    try:
        with torch.no_grad(), weights_computed(used), FlopCounterMode(display=False) as counter:
            task(example)
    finally:
        task.network = trained
    return {
        "parameters": sum(p.numel() for p in used.parameters()),
        "macs": counter.get_total_flops() // 2,
        "macs_input": "x".join(map(str, example.shape)),
        "seconds_per_step": clock.median(),
        "peak_memory_mb": clock.peak_memory_mb(),
        "precision": trainer.precision,
        "machine": machine(),
        "period": task.network.period,
    }


def incidents(trainer: pl.Trainer, notes: Sequence[str] = ()) -> dict[str, Any]:
    """What went wrong in a training that went on: `steps_not_applied`, and `warnings`, a list of sentences.

    notes  the first of these
    """
    found: dict[str, Any] = {}
    warnings = list(notes)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning declares none
        if isinstance(callback, NaNGuard) and int(callback.count):
            found["steps_not_applied"] = int(callback.count)
        if isinstance(callback, GANWatch):
            warnings += callback.sentences.values()
        if isinstance(callback, BestCheckpoint):
            warnings += callback.sentences
    return found | ({"warnings": warnings} if warnings else {})
