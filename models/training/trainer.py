"""Lightning's trainer, set up the way every task here trains."""

import csv
import logging
import os
import platform
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from models.training import loggers
from models.training.callbacks.compiled import Compiled
from models.training.callbacks.explain_deterministic import ExplainDeterministic
from models.training.callbacks.nan_guard import NaNGuard
from models.training.callbacks.stop_on_signal import StopOnSignal
from models.training.checkpoints import BetweenValidations, RandomNumbers, WholeFiles, newest
from models.training.memory import ExplainMemory
from models.training.task import Task
from plumbing.atomic import whole

# Said by Lightning to its own developers, or true of every run here.
for _message in (".*Checkpoint directory .* exists and is not empty", ".*LeafSpec", ".*does not have many workers"):
    warnings.filterwarnings("ignore", _message)
for _library in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(_library).setLevel(logging.WARNING)


def fast_precision() -> str:
    """bf16-mixed where the hardware multiplies bfloat16 fast (CUDA 8.0 and up, AVX512-BF16 or AMX), else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "32-true"
    cpu = torch.cpu.get_capabilities()
    return "bf16-mixed" if cpu.get("avx512_bf16") or cpu.get("amx_bf16") else "32-true"


class StepClock(Callback):
    """Times training steps, data loading included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.previous: float | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        if self.previous is not None:
            self.seconds.append(now - self.previous)
        self.previous = now

    def on_validation_start(self, *_: Any) -> None:
        self.previous = None

    def median(self) -> float:
        """Seconds of the median step, NaN before the second one."""
        return torch.tensor(self.seconds).median().item() if self.seconds else float("nan")


class ValidateLastStep(Callback):
    """Has the weights validated where max_steps ends a run inside an epoch; Lightning would leave them unseen."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step == trainer.max_steps


class RefuseNaN(Callback):
    """Stops a training that has diverged: a score of weights that are no numbers would still look like one."""

    def on_validation_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.state.fn != "fit":
            return
        losses = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("train/")}
        diverged = [f"{key} is {value.item()}" for key, value in losses.items() if not value.isfinite()]
        # Together, as a process that stopped alone would leave the others waiting.
        if trainer.strategy.reduce_boolean_decision(bool(diverged), all=False):
            raise ValueError(
                f"training diverged: {', '.join(diverged) or 'another process'} at step {trainer.global_step}; "
                "lower task.lr, or clip gradients with +trainer.gradient_clip_val=1"
            )


class OneNetwork(Callback):
    """Has all processes validate the network that the first will save: BatchNorm's statistics differ between them."""

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            for buffer in task.buffers():
                torch.distributed.broadcast(buffer, 0)


class History(Callback):
    """Keeps the scores of each validation in a CSV file, a line for each. A resumed run goes on with its own lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.state.fn != "fit":
            return
        scores = {key: value.item() for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        self.lines.append({"step": trainer.global_step, **scores})
        if not trainer.is_global_zero:
            return
        with whole(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.lines[0])
            writer.writeheader()
            writer.writerows(self.lines)

    def state_dict(self) -> dict[str, Any]:
        return {"lines": self.lines}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lines = state["lines"]


class ProgressLines(Callback):
    """A line after each validation, where no terminal shows a bar."""

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.state.fn == "fit":
            scores = ", ".join(f"{k} {v:.4f}" for k, v in trainer.callback_metrics.items() if k != "train/loss_step")
            print(f"step {trainer.global_step} of {trainer.estimated_stepping_batches}: {scores}", flush=True)


def build_trainer(
    options: dict[str, Any], folder: Path, task: Task, logger: dict[str, Any] | None = None
) -> pl.Trainer:
    """A trainer that keeps best.ckpt (by what the task monitors) and last.ckpt in `folder` and shows its progress.

    options  of Lightning's trainer, and those of conf/trainer/default.yaml that are not: `checkpoint_minutes`,
             without which there are none between validations, `on_nan`, `compile`, and `auto_batch`, which
             `models.training.auto_batch.find_batch` reads
    logger   what else keeps its scores, a section of conf/logger; None: nothing
    """
    log, every = loggers.build(logger or {"name": "none"}, folder)
    options = {"log_every_n_steps": every} | options
    switches = {
        "trainer.auto_batch": options.pop("auto_batch", False),
        "trainer.compile": options.pop("compile", False),
        "deterministic": options.get("deterministic", False),
    }
    for key, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"{key} must be true or false, not {value!r}")
    minutes, on_nan = options.pop("checkpoint_minutes", float("inf")), options.pop("on_nan", "stop")
    if options["precision"] == "auto":
        options["precision"] = fast_precision()
    # At the end of a validation: resumed from the end of an epoch with max_steps set, Lightning would count it twice.
    kept: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": False}
    best = ModelCheckpoint(folder, "best", monitor=task.monitor, mode=task.mode, **kept)
    # Lightning's own save_last writes only when the best one changes. Comes second, so that it knows the best score.
    last = ModelCheckpoint(folder, "last", **kept)
    progress = RichProgressBar() if Console().is_terminal else ProgressLines()
    between = BetweenValidations(folder / "last.ckpt", minutes)
    watching: list[Callback] = [*task.callbacks, StepClock(), ValidateLastStep()]
    watching += [NaNGuard(folder / "last.ckpt", on_nan), OneNetwork()]
    if on_nan == "stop":
        watching.append(RefuseNaN())
    watching += [History(folder / "history.csv"), loggers.FlushLogs(), progress]
    watching += [ExplainMemory(), ExplainDeterministic()]
    if switches["trainer.compile"]:
        watching.append(Compiled(task))
    try:
        return pl.Trainer(
            **options,
            callbacks=[*watching, RandomNumbers(), between, StopOnSignal(between), best, last],
            plugins=[WholeFiles()],
            use_distributed_sampler=False,  # it doubles samples to make shares equal; the data knows its shares itself
            enable_progress_bar=isinstance(progress, RichProgressBar),
            enable_model_summary=False,
            logger=log or False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ValueError(f"Lightning refuses trainer: {error}") from error


def fit(trainer: pl.Trainer, task: pl.LightningModule, data: pl.LightningDataModule, folder: Path) -> None:
    """Train, from the newest whole checkpoint where the folder has one; leaves best.ckpt and last.ckpt."""
    data.trainer = trainer
    for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader):
        loader()  # what cannot be shared out to processes is refused here, before there are several
    trainer.fit(task, data, ckpt_path=newest(folder), weights_only=True)


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


def best_score(trainer: pl.Trainer) -> float:
    """The validation score for which best.ckpt was kept."""
    assert isinstance(trainer.checkpoint_callback, ModelCheckpoint)
    assert trainer.checkpoint_callback.best_model_score is not None
    return trainer.checkpoint_callback.best_model_score.item()
