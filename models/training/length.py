"""How long a training is where the configuration leaves that to the data."""

from collections.abc import Collection, Mapping
from math import ceil
from typing import Any, Literal

from pytorch_lightning.callbacks import EarlyStopping

from data.loading.datamodule import DataModule
from models.training.task import Task

FEW = 1000  # training samples in an epoch: with fewer, length is counted in steps
STEPS = 1000  # of the optimiser, at least, where samples are few
VALIDATIONS = 25  # about so many in a training on few samples: an epoch may be two steps
PATIENCE = 10  # validations without a better score that end it
NEVER = 2**31  # validations


class StopEarly(EarlyStopping):
    """Ends a training after `patience` validations without a better score of what the task monitors; null: never.

    auto stands for what `decided` makes of it; here it is never.
    """

    def __init__(self, task: Task, patience: int | Literal["auto"] | None = "auto") -> None:
        number = patience if isinstance(patience, int) else NEVER
        # What is no number is NaNGuard's and RefuseDivergence's to judge.
        super().__init__(task.monitor, 0.0, number, mode=task.mode, check_finite=False, check_on_train_epoch_end=False)


def decided(
    options: Mapping[str, Any], switches: Mapping[str, Any], module: DataModule
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The sections `trainer` and `callbacks` with a number for what they leave open, and a note on it.

    trainer.max_epochs null is trainer.min_epochs, or as many as hold STEPS steps where an epoch has fewer than FEW
    samples. callbacks.patience auto is then PATIENCE, else never.
    """
    options, switches = dict(options), dict(switches)
    few = options.get("max_epochs") is None and options.get("max_steps", -1) == -1 and len(module.train) < FEW
    notes = []
    if few:
        steps = max(1, len(module.train) // module.batch_size)
        limit = options.get("limit_train_batches")
        steps = min(steps, limit) if type(limit) is int and limit > 0 else steps
        options["max_epochs"] = max(options.get("min_epochs") or 1, ceil(STEPS / steps))
        options.setdefault("check_val_every_n_epoch", max(1, options["max_epochs"] // VALIDATIONS))
        notes.append(
            f"Few images: {options['max_epochs']} epochs of {steps} steps, validated every "
            f"{options['check_val_every_n_epoch']}; trainer.max_epochs chooses another length"
        )
    if switches.get("patience") == "auto":
        switches["patience"] = PATIENCE if few else None
        if few:
            notes.append(
                f"Training ends after {PATIENCE} validations without a better score; callbacks.patience=null never does"
            )
    return options, switches, notes


def below_baseline(metrics: Mapping[str, Any], lower: Collection[str] = ()) -> list[str]:
    """A sentence on the scores that are no better than what they are shown beside, with what to try.

    lower  names of scores that are better when lower
    """
    worse = []
    for key, value in metrics.items():
        score = metrics.get(key.replace("baseline/", "test/", 1)) if key.startswith("baseline/") else None
        if not isinstance(score, float) or not isinstance(value, float):
            continue
        falls = key.removeprefix("baseline/") in lower
        if score > value if falls else score < value:
            name, side = key.replace("baseline/", "test/", 1), "above" if falls else "below"
            worse.append(f"{name} is {score:.4g}, {side} the {value:.4g} of the {metrics['baseline']}")
    if not worse:
        return []
    balance = "data.balance=1, " if "test/miou" in metrics else ""  # it draws crops of rare classes
    return [
        f"{'; '.join(worse)}: the network has not learnt what it could; try a longer training (trainer.max_epochs), "
        f"data/augment=strong, {balance}or another task.lr"
    ]
