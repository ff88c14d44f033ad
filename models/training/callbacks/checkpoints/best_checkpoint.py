"""best.ckpt: the weights of the best validation."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from models.training import checkpoint_file
from models.training.checkpoints import WholeFiles
from models.training.digest import DamagedError
from models.training.task import Task
from plumbing.messages import say


class BestCheckpoint(ModelCheckpoint):
    """Keeps best.ckpt in a run's folder, by what the task monitors.

    What the best score is, best.ckpt itself says, wherever its folder lies by now: a run that goes on takes it from
    there, and begins to compare anew where that file is missing or damaged, which `sentences` then tells.
    """

    def __init__(self, task: Task, folder: Path) -> None:
        super().__init__(
            folder,
            "best",
            monitor=task.monitor,
            mode=task.mode,
            enable_version_counter=False,
            # Resumed from the end of an epoch with max_steps set, Lightning would count it twice.
            save_on_train_epoch_end=False,
        )
        self.task, self.path = task, folder / "best.ckpt"
        self.sentences: list[str] = []
        self.had_one = False

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)  # as it always was

    def state_dict(self) -> dict[str, Any]:
        return {"best_model_score": self.best_model_score, "sentences": self.sentences}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what was told, and whether there was a best one; not its score, as what a checkpoint says of another
        file need not be so any more."""
        self.sentences = list(state_dict.get("sentences", []))
        self.had_one = state_dict.get("best_model_score") is not None

    def on_fit_start(self, trainer: pl.Trainer, *_: Any) -> None:
        there = checkpoint_file.is_there(self.path)
        if trainer.ckpt_path is None or not (there or self.had_one):
            return
        try:
            if not there:
                raise DamagedError(f"{self.path} is missing")
            stored = checkpoint_file.load(self.path)
            self.task.refuse_foreign(stored, self.path)
            state = stored.get("callbacks", {}).get(self.state_key, {})
            score = state.get("best_model_score")
            if not isinstance(score, Tensor):
                raise DamagedError(f"{self.path} does not say what it scored")
        except DamagedError as error:
            self.sentences.append(
                f"{error}: the best of the validations still to come, or else the last weights, take its place"
            )
            say(self.sentences[-1])
        else:
            if not score.isnan():
                self._take(score)

    def _take(self, score: Tensor) -> None:
        """Let best.ckpt, which is there, be the one to beat."""
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = str(self.path)
        self.best_k_models = {str(self.path): score}

    def check_monitor_top_k(self, trainer: pl.Trainer, current: Tensor | None = None) -> bool:
        # Lightning would keep NaN as the worst of scores, which still is the best so far where it is the first.
        return current is not None and not bool(current.isnan()) and super().check_monitor_top_k(trainer, current)

    def keep_last(self, trainer: pl.Trainer, task: pl.LightningModule, data: pl.LightningDataModule) -> None:
        """Validate the weights of a training that has ended, and keep them as best.ckpt: no validation came before."""
        trainer.save_checkpoint(self.path)
        trainer.validate(task, data, verbose=False)
        assert self.monitor is not None
        self._take(trainer.callback_metrics[self.monitor].detach().cpu())
        if trainer.is_global_zero:
            stored = checkpoint_file.load(self.path)
            stored["callbacks"][self.state_key] = self.state_dict()
            task.on_save_checkpoint(stored)  # with what the validation has chosen
            stored["state_dict"] = {key: value.detach().cpu() for key, value in task.state_dict().items()}
            WholeFiles().save_checkpoint(stored, self.path)
        trainer.strategy.barrier()


class LastCheckpoint(ModelCheckpoint):
    """Writes last.ckpt after each validation; Lightning's own save_last writes it only when the best one changes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "last", enable_version_counter=False, save_on_train_epoch_end=False)

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)  # as it always was

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: the file has the same name in any folder."""
