"""How the learning rate changes over a run's steps."""

from typing import Any, Literal

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, PolynomialLR

Schedule = Literal["one_cycle", "poly", "constant"]


def scheduled(trainer: pl.Trainer, optimiser: Optimizer, schedule: Schedule, warmup: float) -> dict[str, Any]:
    """What Lightning wants of `configure_optimizers`: the optimiser with a schedule over all of the trainer's steps.

    one_cycle  up to each group's rate over the share `warmup` of the steps, down to about 0 along a cosine
    constant   each group's rate at every step, without warmup: what a longer training begins with is then a shorter one
    poly       rate * (1 - t)**0.9 (Chen et al., DeepLab (2017), section 4.1), without warmup
    """
    if schedule == "constant":
        return {"optimizer": optimiser}
    total = int(trainer.estimated_stepping_batches)
    rates = [group["lr"] for group in optimiser.param_groups]
    rate: LRScheduler
    if schedule == "poly":
        rate = PolynomialLR(optimiser, total, power=0.9)
    else:
        rate = OneCycleLR(optimiser, rates, total_steps=total, pct_start=warmup)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": rate, "interval": "step"}}
