"""callbacks.auto_batch: the largest half, quarter, ... of data.batch_size that fits in memory."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.memory import garbage_collection_cuda
from pytorch_lightning.utilities.seed import isolate_rng

from data.loading.datamodule import DataModule
from models.training.memory import out_of_memory
from models.training.task import Task
from models.training.trainer import build_trainer, fit
from plumbing.atomic import write_text
from plumbing.messages import say


class EndAfterTwoSteps(Callback):
    """The second step has the optimiser's moments beside its activations, as all later ones."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step >= 2


def fits(options: Mapping[str, Any], switches: Mapping[str, Any], task: Task, data: DataModule, folder: Path) -> bool:
    """Whether two steps of training fit in memory. Leaves the task as it is. Raises ValueError as training would."""
    trial = deepcopy(task)
    never = {"checkpoint_minutes": float("inf")}
    trainer = build_trainer({**options, "limit_val_batches": 0}, folder, trial, switches={**switches, **never})
    trainer.callbacks.append(EndAfterTwoSteps())  # type: ignore[attr-defined]  # Lightning declares none
    if trainer.world_size > 1:
        raise ValueError(
            "callbacks.auto_batch=true tries on one device; find data.batch_size with trainer.devices=1, set it times "
            f"the {trainer.world_size} devices, and leave callbacks.auto_batch out"
        )
    try:
        fit(trainer, trial, data, folder)
    except ValueError as error:
        if not out_of_memory(error.__cause__) or data.batch_size == 1:
            raise
        return False
    return True


def kept_size(path: Path, most: int) -> int | None:
    """The batch size that batch_size.txt holds, from 1 to `most`; None without it, and, after a line, where it is not
    whole."""
    try:
        text = path.read_bytes()[:100].strip()
    except FileNotFoundError:
        return None
    if text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    say(f"Passed over: {path} holds no batch size from 1 to {most}, so one that fits is looked for again")
    return None


def find_batch(
    options: Mapping[str, Any], switches: Mapping[str, Any], task: Task, data: DataModule, folder: Path
) -> None:
    """Halve `data.batch_size` until training fits, and keep that in batch_size.txt of the run's folder, where a run
    that goes on finds it. No random number of the run is drawn.

    options, switches  the sections `trainer` and `callbacks`, as `build_trainer` takes them
    """
    kept = folder / "batch_size.txt"
    found = kept_size(kept, data.batch_size)
    if found:
        data.batch_size = found
    else:
        with isolate_rng(), TemporaryDirectory() as scratch:
            while not fits(options, switches, task, data, Path(scratch)):
                data.batch_size //= 2
                garbage_collection_cuda()
        garbage_collection_cuda()
        data.prepared.clear()
        write_text(kept, f"{data.batch_size}\n")
    data.test_batch_size = min(data.test_batch_size, data.batch_size)
    say(f"callbacks.auto_batch: data.batch_size={data.batch_size} fits")
