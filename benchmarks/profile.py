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
from benchmarks.training.steps import COMPARED
from benchmarks.training.turns import WARM, built, endless, steps_alone, train

SHOWN = 8  # operations


class OneStep(Callback):
    """Profiles the step after so many others."""

    def __init__(self, after: int) -> None:
        self.profile, self.after = profile(), after

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.after:
            self.profile.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.after + 1:
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
    ours = OneStep(WARM)
    train(options | steps_alone(WARM + 1), task, module, [ours])
    step = make(task.to(device()), endless(module))
    seconds(step, WARM)
    with profile() as theirs:
        step()
    print(f"Ours\n{table(ours.profile)}\n\nTheirs\n{table(theirs)}")


if __name__ == "__main__":
    main()
