"""The scores of each validation, as a file."""

import csv
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from plumbing.atomic import whole


class History(Callback):
    """Keeps the scores of each validation in history.csv, a line for each. A resumed run goes on with its own lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.csv"
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
