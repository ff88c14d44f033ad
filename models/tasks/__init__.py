"""How each kind of network learns and is scored (LightningModules), and what every task shares."""

import json
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

import data
import models
import upsample
from data import DataModule, Images, LabelledImages
from models.networks.interfaces import Network
from models.tasks.generation.task import GAN
from models.tasks.generation.watch import GANWatch
from models.tasks.segmentation.task import Segmentation
from models.tasks.super_resolution.task import SuperResolution
from models.training.auto_batch import find_batch
from models.training.callbacks.nan_guard import NaNGuard
from models.training.memory import peak_memory_mb, refuse_too_large
from models.training.task import Task
from models.training.trainer import StepClock, best_score, build_trainer, fit, machine
from plumbing.options import check_options

__all__ = ["Task", "announce", "best_score", "build", "build_trainer", "costs", "find_batch", "fit", "incidents"]

TASKS = {"segmentation": Segmentation, "super_resolution": SuperResolution, "gan": GAN}
# Of a task's configuration, what concerns only its data: conf/data/*.yaml refer to them.
OF_DATA = ("crop", "test_crop", "batch_size")


def build(config: dict[str, Any]) -> tuple[Task, DataModule]:
    """Build a configuration's data, network, and the task that trains it. Raises ValueError in one sentence."""
    task, options = models.choose(TASKS, "task", config["task"])
    options = {k: v for k, v in options.items() if k not in OF_DATA}
    check_options("task", task, options, given=("network", "info"))
    refuse_impossible(config)
    module = data.build(config["data"], task.kind, config["seed"])
    info = module.info
    outputs = len(info.classes) if isinstance(info, LabelledImages) else info.channels
    network = models.build(config, info.channels, outputs)
    built = task(network, info, **options)
    built.config = describe(config, network, info)
    return built, module


def refuse_impossible(config: dict[str, Any]) -> None:
    """Raise ValueError for a network that cannot be, before data are touched: how many classes there are is not known
    then, but refusals do not depend on it."""
    encoder = (
        {"encoder": config["encoder"] | {"pretrained": False}} if "pretrained" in config.get("encoder", {}) else {}
    )
    try:
        with torch.device("meta"):  # where tensors have shapes alone
            network = models.build(config | encoder, 3, 3)
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise ValueError(
            "the network has more weights than any memory holds; choose fewer or narrower levels"
        ) from error
    refuse_too_large(network)
    crop = config["data"].get("crop")
    if isinstance(crop, int) and crop < network.period:
        raise ValueError(
            f"data.crop={crop} holds no whole period of the network, which is {network.period} pixels; choose "
            f"task.crop={network.period} or more, or a network of fewer or smaller steps"
        )


def describe(config: dict[str, Any], network: Network, info: Images) -> dict[str, Any]:
    """What is needed to rebuild a run's network and its preprocessing, as `models.trained.saved.Saved` describes."""
    sections = ("task", "model", "upsample", "data", *(["encoder"] if isinstance(info, LabelledImages) else []))
    mean, std = network.normalisation or (info.mean, info.std)
    described = {key: config[key] for key in (*sections, "seed")} | {"mean": mean, "std": std}
    if isinstance(info, LabelledImages):
        described |= {"classes": info.classes, "palette": info.palette, "ignore_index": info.ignore_index}
    return json.loads(json.dumps(described))  # tuples as lists, and nothing but plain values


def announce(task: Task, trainer: pl.Trainer, module: DataModule) -> None:
    """Say what is about to be trained: the resolved upsamplers, the network's size, the precision, the data."""
    assert task.config is not None  # `build` and `evaluation.rebuild` give it one
    name = task.config["upsample"]["name"]
    described: dict[str, int] = {}
    for level in task.network.upsamplers():
        text = upsample.describe(level)
        described[text] = described.get(text, 0) + 1
    for text, count in described.items():
        print(f"Upsampler {name} x{count}: {text}")
    for note in (*task.notes(), *module.notes):
        print(note)
    print(
        f"Network: {sum(p.numel() for p in task.network.parameters()):,} parameters, period {task.network.period}; "
        f"precision {trainer.precision} on {trainer.accelerator.name()}\n"
        f"Data: {module.info.name}, {len(module.train)} training, {len(module.val)} validation, "
        f"{len(module.test)} test images",
        flush=True,
    )


def costs(task: Task, trainer: pl.Trainer) -> dict[str, Any]:
    """Parameters, multiply-adds of one forward pass, median seconds of a step, peak memory in MB, and the machine."""
    example = task.example_input().to(task.device)
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning declares none
    clock = next(callback for callback in callbacks if isinstance(callback, StepClock))
    task.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        task(example)
    return {
        "parameters": sum(p.numel() for p in task.network.parameters()),
        "macs": counter.get_total_flops() // 2,
        "macs_input": "x".join(map(str, example.shape)),
        "seconds_per_step": clock.median(),
        "peak_memory_mb": peak_memory_mb(),
        "precision": trainer.precision,
        "machine": machine(),
        "period": task.network.period,
    }


def incidents(trainer: pl.Trainer) -> dict[str, Any]:
    """What went wrong in a training that went on: `steps_not_applied`, and `warnings`, a list of sentences."""
    found: dict[str, Any] = {}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning declares none
        if isinstance(callback, NaNGuard) and int(callback.count):
            found["steps_not_applied"] = int(callback.count)
        if isinstance(callback, GANWatch) and callback.sentences:
            found["warnings"] = list(callback.sentences.values())
    return found
