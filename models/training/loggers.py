"""Where a run's numbers and pictures go besides its own files: Lightning's loggers.

A log is a run's own, named as its folder. A resumed run goes on in it; steps that it repeats stand there twice.
"""

import csv
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib.image import imread
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from plumbing.messages import needs
from plumbing.options import unknown


def build(config: dict[str, Any], folder: Path) -> tuple[Logger | None, int]:
    """The logger of a configuration section `logger`, and its steps between two training losses.

    Raises ValueError where its package is not installed.
    """
    options = dict(config)
    name = options.pop("name", None)
    if name == "none":
        return None, 1
    if name not in LOGGERS:
        raise ValueError(unknown("logger.name", name, ["none", *LOGGERS]))
    make, every = LOGGERS[name], options.pop("every")
    if importlib.util.find_spec(name) is None:
        raise ValueError(needs(f"logger={name}", name, name))
    return make(folder, **options), every


def continue_csv(folder: Path) -> Logger:
    """A CSV log with the lines that an earlier start of the run left in it."""
    path = folder / "csv" / "metrics.csv"
    lines: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
    logger = CSVLogger(folder, "csv", "", flush_logs_every_n_steps=1)
    for line in lines:
        logger.log_metrics({k: float(v) for k, v in line.items() if k != "step" and v}, int(line["step"]))
    return logger


def tensorboard(folder: Path) -> Logger:
    """An event file for each start of the run, which TensorBoard shows as one."""
    return TensorBoardLogger(folder, "tensorboard", "", default_hp_metric=False)


def wandb(folder: Path, project: str, offline: bool) -> Logger:
    """A run of Weights & Biases whose id is the folder's name."""
    return WandbLogger(folder.name, folder, offline=offline, id=folder.name, project=project)


def mlflow(folder: Path, experiment: str, tracking_uri: str | None) -> Logger:
    """The store's run of the folder's name, or a new one."""
    uri = tracking_uri or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    artifacts = None if tracking_uri else (folder / "mlflow").resolve().as_uri()
    found = mlflow_run(uri, experiment, folder.name)
    return MLFlowLogger(experiment, folder.name, uri, run_id=found, artifact_location=artifacts)


@rank_zero_only
def mlflow_run(uri: str, experiment: str, name: str) -> str | None:
    """The id of the newest run of a name in an experiment of an MLflow store, None where there is none."""
    from mlflow import MlflowClient  # here: it comes with the extra

    client = MlflowClient(uri)
    place = client.get_experiment_by_name(experiment)
    runs = client.search_runs([place.experiment_id], f"run_name = '{name}'") if place else []
    return runs[0].info.run_id if runs else None


LOGGERS: dict[str, Callable[..., Logger]] = {
    "csv": continue_csv,
    "tensorboard": tensorboard,
    "wandb": wandb,
    "mlflow": mlflow,
}


def start(trainer: pl.Trainer, settings: dict[str, Any]) -> None:
    """Log what names the run as its hyper-parameters."""
    for logger in trainer.loggers:
        logger.log_hyperparams(settings)


def finish(trainer: pl.Trainer, settings: dict[str, Any], metrics: dict[str, Any], folder: Path) -> None:
    """Log the test's scores, and the pictures in the run's folder where the logger can, at the last step."""
    step = trainer.global_step
    numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float) and math.isfinite(v)}
    scores = {k: v for k, v in numbers.items() if not k.startswith("val/")}  # those have been logged as they came
    pictures = sorted(folder.glob("*.png"))
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(settings, scores, step)  # together, as its table of hyper-parameters wants them
            for path in pictures:
                logger.experiment.add_image(path.stem, imread(path), step, dataformats="HWC")
        else:
            logger.log_metrics(scores, step)
        if isinstance(logger, WandbLogger):
            for path in pictures:
                logger.log_image(path.stem, [str(path)], step)
        if isinstance(logger, MLFlowLogger):
            for path in pictures:
                logger.experiment.log_artifact(logger.run_id, str(path))
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
