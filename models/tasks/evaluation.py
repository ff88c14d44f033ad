"""A saved network scored again, as the end of its training scored it: on the same data or another."""

import os
from dataclasses import replace
from typing import Any, Literal

import pytorch_lightning as pl
import torch

import data
from data import Known
from data.files.bands import Bands
from data.loading.datamodule import DataModule
from data.loading.loaded import ClassedImages, LabelledImages, ValuedImages, Values
from models.tasks import task as table
from models.tasks.build import OF_DATA
from models.tasks.costs import costs
from models.tasks.segmentation.labels.overlapping import Overlapping
from models.tasks.segmentation.task import Segmentation
from models.trained import saved
from models.trained.saved import Saved
from models.training.task import Task
from plumbing.messages import say
from plumbing.options import check_options, check_value

Split = Literal["test", "val", "all"]


def data_of(stored: Saved, source: dict[str, Any] | None = None, split: str | None = None) -> DataModule:
    """The data that a saved network is scored on, of the kind that it learnt from; `test` holds what is scored.

    source  a section `data`; None: that of its own training
    split   "test", "val" or "all"; None: the test split or, of other data without any, all of them
    Raises ValueError.
    """
    if split is not None:
        check_value("split", split, Split)
    kind, _ = table.choose(stored.config["task"])
    config = stored.config
    if source is None or source == config["data"]:
        if split == "all":
            raise ValueError("split=all scores data that the network was trained on; name other data, or split=test")
        named = harmless(config["data"]) if source is None else source
        own = Known(part=None, span=span_of(config), bands=bands_of(config))
        module = data.build(named, kind.kind, config["seed"], own)
    else:
        classes = config.get("classes")
        labels = config.get("labels") or numbered(classes or [])
        here = source.get("root") is not None and source["root"] == config["data"].get("root")
        part = split or ("test" if here else "auto")  # where it was trained, not on what it was trained on
        known = Known(classes, labels, tuple(config.get("ignored", (255,))), span_of(config), bands_of(config), part)
        module = data.build(source, kind.kind, config["seed"], known)
    if split == "val" and module.val is not module.test:
        module.test, module.val = module.val, module.test
    return module


def harmless(section: dict[str, Any]) -> dict[str, Any]:
    """A section `data` of anyone's checkpoint, without what it asks of this machine and no score depends on: nothing is
    fetched or kept on the disk, and at most one process a core prepares batches."""
    changes: dict[str, Any] = {}
    if "download" in section:
        changes["download"] = False
    if section.get("cache") == "disk":
        changes["cache"] = "none"
    if type(section.get("workers")) is int:
        changes["workers"] = min(section["workers"], os.cpu_count() or 1)
    return section | changes


def span_of(config: dict[str, Any]) -> tuple[float, float] | None:
    """The values that became 0 and 255 in training."""
    span = config.get("span")
    return None if span is None else (span[0], span[1])


def bands_of(config: dict[str, Any]) -> Bands | None:
    """The bands that are taken of each file, as in training; None: images are pictures of three colours."""
    return Bands.of(config["bands"]) if config.get("bands") else None


def numbered(classes: list[str]) -> list[int]:
    """The numbers of classes that do not tell: those that they are called by, else their places."""
    called = [int(name) for name in classes if name.isdecimal()]
    return called if len(called) == len(classes) else list(range(len(classes)))


def rebuild(stored: Saved, module: DataModule, options: dict[str, Any]) -> Task:
    """The task of a saved network, to be tested on the data of `data_of`.

    options   of the task: its section `task`, or that with changes
    Raises ValueError, in one sentence, for data whose classes or channels the network does not know.
    """
    kind, options = table.choose(options)
    info, config = module.info, stored.config
    there, here = config.get("classes"), info.classes if isinstance(info, LabelledImages | ClassedImages) else []
    if there is not None and here != there:
        does = "tells apart" if isinstance(info, LabelledImages) else "draws images of"
        raise ValueError(
            f"{info.name} has {'the classes ' + ', '.join(here) if here else 'no classes'}, but the network {does} "
            f"{', '.join(there)}; choose data with the same classes in the same order"
        )
    if info.channels != len(config["mean"]):
        raise ValueError(
            f"images of {info.name} have {info.channels} channels, but the network takes {len(config['mean'])}"
        )
    options = {key: value for key, value in options.items() if key not in OF_DATA}
    check_options("task", kind, options, given=("network", "info"))
    known = replace(info, mean=tuple(config["mean"]), std=tuple(config["std"]))
    if isinstance(known, ValuedImages):
        if known.values.unit != config["values"]["unit"]:
            say(
                f"Warning: values of {info.name} are in '{known.values.unit}', those of training in "
                f"'{config['values']['unit']}'; scores are of the numbers as they are"
            )
        known = replace(known, values=Values(**config["values"]))
    task: Task = kind(saved.build(stored), known, **options)
    task.config = config
    if isinstance(task, Segmentation) and isinstance(task.labels, Overlapping):
        task.labels.thresholds.copy_(torch.tensor(config["thresholds"]))
    return task


def score(task: Task, module: DataModule, trainer: pl.Trainer) -> dict[str, Any]:
    """What the end of training writes into metrics.json, but for what only training has."""
    assert task.config is not None  # `rebuild` gave it one
    trainer.test(task, module, verbose=False)
    measured = task.results(module) | costs(task, trainer)
    del measured["seconds_per_step"]
    return measured | {"seed": task.config["seed"], "upsampler": task.config["upsample"]["name"]}
