"""Where a training step spends its time, and the one that it is compared with.

python -m benchmarks.profile {framework,unet,dcgan}
"""

import argparse
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.profiler import profile

from benchmarks.configuration import device
from benchmarks.measure import seconds
from benchmarks.steps import COMPARED, WARM, built, on_device, train

SHOWN = 8  # operations


class OneStep(Callback):
    """Profiles the step after WARM others."""

    def __init__(self) -> None:
        self.profile = profile()

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        if index == WARM:
            self.profile.start()

    def on_train_batch_end(self, trainer: pl.Trainer, task: Any, outputs: Any, batch: Any, index: int) -> None:
        if index == WARM:
            self.profile.stop()


def table(found: profile) -> str:
    """The operations that take longest by themselves."""
    return found.key_averages().table(
        sort_by="self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total",
        row_limit=SHOWN,
        max_name_column_width=40,
    )


def main() -> None:
    """Profile both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=list(COMPARED))
    overrides, make = COMPARED[parser.parse_args().name]
    options, task, module = built(*overrides)
    ours = OneStep()
    train(options | {"max_epochs": -1, "max_steps": WARM + 1, "limit_val_batches": 0}, task, module, ours)
    step = make(task.to(device()), on_device(next(iter(module.train_dataloader()))))
    seconds(step, WARM)
    with profile() as theirs:
        step()
    print(f"Ours\n{table(ours.profile)}\n\nTheirs\n{table(theirs)}")


if __name__ == "__main__":
    main()
