"""Lightning's trainer, set up the way every task here trains."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from models.training import loggers
from models.training.callbacks import order
from models.training.callbacks.checkpoints.best_checkpoint import BestCheckpoint
from models.training.checkpoints import WholeFiles, newest
from models.training.task import Task
from plumbing.messages import printable
from plumbing.options import MOVED, OptionError, check_value


def fast_precision() -> str:
    """bf16-mixed where the hardware multiplies bfloat16 fast (CUDA 8.0 and up, AVX512-BF16 or AMX), else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "32-true"
    cpu = torch.cpu.get_capabilities()
    return "bf16-mixed" if cpu.get("avx512_bf16") or cpu.get("amx_bf16") else "32-true"


Precision = Literal["auto", "32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16"]
# Of Lightning's switches, those without which nothing is trained, validated or tested, and so nothing scored or kept.
NEEDED = ("max_epochs", "max_steps", "limit_train_batches", "limit_val_batches", "limit_test_batches")


def refuse_switches(options: Mapping[str, Any]) -> None:
    """Raise OptionError for what Lightning would take, and a run here would end without a result."""
    for key in NEEDED:
        if options.get(key) in (0, 0.0) and options[key] is not False:
            raise OptionError(f"trainer.{key}={options[key]} leaves nothing to score; choose 1 or more")
    for key in ("fast_dev_run", "overfit_batches"):
        if options.get(key):
            raise OptionError(
                f"trainer.{key} keeps no checkpoint or no order of samples to go on with; for a short try write "
                "+trainer.limit_train_batches=2 trainer.max_epochs=1"
            )
    every, epochs = options.get("check_val_every_n_epoch"), options.get("max_epochs")
    if isinstance(every, int) and isinstance(epochs, int) and every > epochs >= 0:
        raise OptionError(
            f"trainer.check_val_every_n_epoch={every} is beyond trainer.max_epochs={epochs}, so nothing is validated "
            f"and no best.ckpt kept; choose {epochs} or less"
        )


def build_trainer(
    options: Mapping[str, Any],
    folder: Path,
    task: Task,
    logger: dict[str, Any] | None = None,
    switches: Mapping[str, Any] | None = None,
) -> pl.Trainer:
    """A trainer that keeps best.ckpt (by what the task monitors) and last.ckpt in `folder` and shows its progress.

    options   of Lightning's trainer: a section `trainer`
    logger    what else keeps its scores, a section `logger`; None: nothing
    switches  what watches the training, a section `callbacks`; None: as by default
    Raises ValueError, in one sentence, for what Lightning or a callback refuses.
    """
    for key, value in options.items():
        if new := MOVED.get(f"trainer.{key}"):
            raise OptionError(f"trainer.{key} is no key of Lightning's trainer; write {new}={value}")
    log, every = loggers.build(logger or {"name": "none"}, folder)
    options = {"log_every_n_steps": every, **options}
    precision = options.get("precision", "auto")
    check_value("trainer.precision", str(precision) if precision in (32, 16) else precision, Precision)
    check_value("deterministic", options.get("deterministic", False), bool)
    least = options.pop("min_epochs", None)  # Lightning would let no signal end a training before
    if options.get("max_epochs") is None and options.get("max_steps", -1) == -1:
        options["max_epochs"] = least
    elif options.get("max_epochs") is None:
        options["max_epochs"] = -1
    if options["precision"] == "auto":
        options["precision"] = fast_precision()
    try:
        return pl.Trainer(
            **options,
            callbacks=[*task.callbacks, *order.build(task, folder, switches or {})],
            plugins=[WholeFiles()],
            use_distributed_sampler=False,  # it doubles samples to make shares equal; the data knows its shares itself
            enable_model_summary=False,
            logger=log or False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
        )
    except OptionError:
        raise
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ValueError(f"Lightning refuses trainer: {error}") from error


def fit(trainer: pl.Trainer, task: pl.LightningModule, data: pl.LightningDataModule, folder: Path) -> None:
    """Train, from the newest whole checkpoint where the folder has one; leaves best.ckpt and last.ckpt.

    Raises ValueError, in one sentence, for what Lightning refuses, and for checkpoints that are there but unreadable.
    """
    check_shares(trainer, data)
    try:
        trainer.fit(task, data, ckpt_path=newest(folder), weights_only=True)
    except MisconfigurationException as error:
        raise ValueError(f"Lightning refuses trainer: {printable(error)}") from error
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"data.batch_size={getattr(data, 'batch_size', 1)} gives a BatchNorm of the network one value to take the "
            "variance of, in each process; choose 2 or more in each, or a larger data.crop"
        ) from error
    best = best_checkpoint(trainer)
    if best.best_model_score is None and trainer.limit_val_batches:
        best.keep_last(trainer, task, data)


def check_shares(trainer: pl.Trainer, data: pl.LightningDataModule) -> None:
    """Raise ValueError for data that cannot be shared out to batches and processes, before there are several."""
    data.trainer = trainer
    for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader):
        loader()


def machine() -> str:
    """The GPU, or the processor and how many of its cores may be used; and torch's version."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        information = Path("/proc/cpuinfo")  # Linux only, where platform.processor() often knows no more than x86_64
        lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = f"{models[0] if models else platform.processor() or platform.machine()}, {cores} cores"
    return f"{name}, torch {torch.__version__}"


def best_checkpoint(trainer: pl.Trainer) -> BestCheckpoint:
    """What keeps best.ckpt, in a trainer of `build_trainer`."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning declares none
    return next(callback for callback in callbacks if isinstance(callback, BestCheckpoint))


def best_score(trainer: pl.Trainer) -> float:
    """The validation score for which best.ckpt was kept."""
    score = best_checkpoint(trainer).best_model_score
    assert score is not None  # `fit` saw to it
    return score.item()
