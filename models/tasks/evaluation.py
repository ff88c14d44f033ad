"""A saved network scored again, as the end of its training scored it: on the same data or another."""

from dataclasses import replace
from typing import Any

import pytorch_lightning as pl

import data
from data import DataModule, LabelledImages
from models import choose
from models.tasks import OF_DATA, TASKS, Task, costs
from models.trained import saved
from models.trained.saved import Saved

SPLITS = ("test", "val")


def data_of(stored: Saved, source: dict[str, Any]) -> DataModule:
    """The data of a section `data`, of the kind that a saved network learnt from. Raises ValueError."""
    kind, _ = choose(TASKS, "task", stored.config["task"])
    return data.build(source, kind.kind, stored.config["seed"])


def rebuild(stored: Saved, module: DataModule, options: dict[str, Any], split: str) -> Task:
    """The task of a saved network, to be tested on the data of `data_of`.

    options   of the task: its section `task`, or that with changes
    split     "test" or "val", which is then what the data's `test` holds
    Raises ValueError, in one sentence, for data whose classes or channels the network does not know.
    """
    if split not in SPLITS:
        raise ValueError(f"split is '{split}', which does not exist; choose from {', '.join(SPLITS)}")
    kind, options = choose(TASKS, "task", options)
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
    known = replace(info, mean=tuple(config["mean"]), std=tuple(config["std"]))
    try:
        task = kind(saved.build(stored), known, **{k: v for k, v in options.items() if k not in OF_DATA})
    except TypeError as error:  # an option that the task does not have, from anyone's configuration
        raise ValueError(f"the task of the configuration cannot be built ({error})") from None
    task.config = config
    return task


def score(task: Task, module: DataModule, trainer: pl.Trainer) -> dict[str, Any]:
    """What the end of training writes into metrics.json, but for what only training has."""
    assert task.config is not None  # `rebuild` gave it one
    trainer.test(task, module, verbose=False)
    measured = task.results(module) | costs(task, trainer)
    del measured["seconds_per_step"]
    return measured | {"seed": task.config["seed"], "upsampler": task.config["upsample"]["name"]}
