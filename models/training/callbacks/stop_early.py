"""callbacks.patience: the end of a training that gets no better."""

from typing import Literal

from pytorch_lightning.callbacks import EarlyStopping

from models.training.task import Task

NEVER = 2**31  # validations


class StopEarly(EarlyStopping):
    """Ends a training after `patience` validations without a better score of what the task monitors; null: never.

    auto stands for what models.training.length decides by the data; here it is never.
    """

    def __init__(self, task: Task, patience: int | Literal["auto"] | None = "auto") -> None:
        number = patience if isinstance(patience, int) else NEVER
        # What is no number is NaNGuard's and RefuseDivergence's to judge.
        super().__init__(task.monitor, 0.0, number, mode=task.mode, check_finite=False, check_on_train_epoch_end=False)
