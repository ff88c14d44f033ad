"""Whether an entry is what its card says: files, network, scores."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from models.tasks import evaluation
from models.trained import saved
from models.trained.saved import Saved
from models.training.task import Task
from models.training.trainer import build_trainer
from models.zoo import entry as entries
from models.zoo import index
from plumbing.options import OptionError

TOLERANCE = 1e-3  # of a score, absolutely or relatively: machines differ by less, broken preprocessing by more


class AbsentError(ValueError):
    """The data that an entry names is not on this machine."""


def score(stored: Saved, source: dict[str, Any], folder: Path) -> tuple[Task, dict[str, Any]]:
    """The task, after its test in float32 on the data of a section `data`, and what it measured.

    Nothing is fetched. Raises AbsentError where that data is not here, ValueError for a section that names none.
    """
    if "download" in source:
        source = source | {"download": False}
    pl.seed_everything(stored.config["seed"], workers=True, verbose=False)
    try:
        module = evaluation.data_of(stored, source, "test")
    except OptionError as error:  # a name or key that no data set has, from anyone's configuration
        raise ValueError(f"the section data cannot be read ({error})") from None
    except ValueError as error:
        raise AbsentError(str(error)) from None
    task = evaluation.rebuild(stored, module, stored.config["task"])
    options = {"accelerator": "auto", "devices": 1, "precision": "32-true"}
    return task, evaluation.score(task, module, build_trainer(options, folder, task))


def agree(before: float | None, now: float) -> bool:
    """Whether two machines measured the same; None and NaN are of a class that the data does not have."""
    if before is None or math.isnan(now):
        return before is None and math.isnan(now)
    return abs(now - before) <= TOLERANCE * max(1, abs(before))


def compare(written: dict[str, float | None], measured: dict[str, Any]) -> str:
    """How many scores were measured again and agree. Raises ValueError for the first that does not."""
    again = {key: value for key, value in written.items() if key in measured}
    for key, before in again.items():
        if not agree(before, measured[key]):
            raise ValueError(f"{key} is {measured[key]} here, but {before} on its card")
    missing = sorted(set(written) - set(again))
    return f"{len(again)} scores agree" + (f"; not measured here: {', '.join(missing)}" if missing else "")


def verify(name: str, zoo: Path, changes: dict[str, Any], folder: Path) -> str:
    """Check an entry and say what was checked.

    changes   to its section `data`: where that is here, as `root` or, for entries on one data set, `membrane.root`
    folder    for what Lightning writes
    Raises ValueError, in one sentence, for what is not as its card says. Data that is not here is said, not raised.
    """
    stored = entries.read_named(name, zoo)
    network = saved.build(stored)
    size = sum(p.numel() for p in network.get_submodule(network.used).parameters())
    built = f"checksums agree, builds ({size:,} parameters)"
    source = stored.config["data"]
    own = {key.removeprefix(f"{source.get('name')}."): value for key, value in changes.items()}
    try:
        _, measured = score(stored, source | {k: v for k, v in own.items() if "." not in k}, folder)
    except AbsentError as absent:
        return f"{built}; not scored, as its data is not here: {absent}"
    return f"{built}, {compare(index.read(zoo)[name].scores, measured)}"
