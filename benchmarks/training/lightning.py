"""What this project's callbacks cost: Lightning's own trainer without any, on the same module and data."""

import pytorch_lightning as pl

from benchmarks.measure import Line, ratios
from benchmarks.training.turns import WARM, Clock, built, steps_alone, train
from data.loading.datamodule import DataModule
from models.training.task import Task
from models.training.trainer import fast_precision

TURN = 20  # steps


def plain(clock: Clock, task: Task, module: DataModule) -> None:
    """Train with Lightning's trainer as its own page shows it, in the precision that ours has."""
    trainer = pl.Trainer(
        **steps_alone(WARM + TURN),
        precision=fast_precision(),  # type: ignore[arg-type]  # one of the names that Lightning lists
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, module)


def lightning(rounds: int) -> list[Line]:
    """The trainer of `train.py` against a plain one: trainings of a few steps, in turns."""
    options, task, module = built()
    ours, theirs = [], []
    for _ in range(rounds):
        clock = Clock()
        train(options | steps_alone(WARM + TURN), task, module, [clock])
        ours.append(clock.seconds)
        plain(clock, task, module)
        theirs.append(clock.seconds)
    note = f"{1000 * min(theirs):.0f} → {1000 * min(ours):.0f} ms a step at best: what our callbacks cost"
    what = "training step, default U-Net"
    return [Line(what, "Lightning's plain Trainer, same module", ratios(theirs, ours), 0.98, note=note)]
