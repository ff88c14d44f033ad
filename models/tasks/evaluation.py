"""A saved network scored again, as the end of its training scored it: on the same data or another."""

from dataclasses import replace
from typing import Any, Literal

import pytorch_lightning as pl

import data
from data.loading.datamodule import DataModule
from data.loading.loaded import LabelledImages
from models.tasks import task as table
from models.tasks.build import OF_DATA
from models.tasks.costs import costs
from models.trained import saved
from models.trained.saved import Saved
from models.training.task import Task
from plumbing.options import check_options, check_value

Split = Literal["test", "val"]


def data_of(stored: Saved, source: dict[str, Any]) -> DataModule:
    """The data of a section `data`, of the kind that a saved network learnt from. Raises ValueError."""
    kind, _ = table.choose(stored.config["task"])
    return data.build(source, kind.kind, stored.config["seed"])


def rebuild(stored: Saved, module: DataModule, options: dict[str, Any], split: str) -> Task:
    """The task of a saved network, to be tested on the data of `data_of`.

    options   of the task: its section `task`, or that with changes
    split     "test" or "val", which is then what the data's `test` holds
    Raises ValueError, in one sentence, for data whose classes or channels the network does not know.
    """
    check_value("split", split, Split)
    kind, options = table.choose(options)
    info, config = module.info, stored.config
    if isinstance(info, LabelledImages) and info.classes != config["classes"]:
        raise ValueError(
            f"{info.name} has the classes {', '.join(info.classes)}, but the network tells apart "
            f"{', '.join(config['classes'])}; choose data with the same classes in the same order"
        )
    if info.channels != len(config["mean"]):
        raise ValueError(
            f"images of {info.name} have {info.channels} channels, but the network takes {len(config['mean'])}"
        )
    if split == "val":  # a generator is also told what other real images score: then those of the test
        module.test, module.val = module.val, module.test
    options = {key: value for key, value in options.items() if key not in OF_DATA}
    check_options("task", kind, options, given=("network", "info"))
    known = replace(info, mean=tuple(config["mean"]), std=tuple(config["std"]))
    task: Task = kind(saved.build(stored), known, **options)
    task.config = config
    return task


def score(task: Task, module: DataModule, trainer: pl.Trainer) -> dict[str, Any]:
    """What the end of training writes into metrics.json, but for what only training has."""
    assert task.config is not None  # `rebuild` gave it one
    trainer.test(task, module, verbose=False)
    measured = task.results(module) | costs(task, trainer)
    del measured["seconds_per_step"]
    return measured | {"seed": task.config["seed"], "upsampler": task.config["upsample"]["name"]}
