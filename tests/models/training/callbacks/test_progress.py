"""What a training says of how far it is, with and without a terminal."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from models.training.callbacks import progress
from models.training.callbacks.progress import Progress


class Module(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        return self.layer(batch).mean()

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        self.log("val/score", 0.5)

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def run(folder: Any) -> Progress:
    bar = Progress()
    batches: DataLoader[torch.Tensor] = DataLoader(torch.ones(6, 2), batch_size=2)  # type: ignore[arg-type]  # a tensor is one
    trainer = pl.Trainer(
        max_epochs=2, callbacks=[bar], logger=False, enable_checkpointing=False, enable_model_summary=False,
        default_root_dir=folder, accelerator="cpu", num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Module(), batches, batches)
    trainer.test(Module(), batches, verbose=False)
    return bar


def test_lines_where_there_is_no_terminal(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    said = [line for line in capsys.readouterr().out.splitlines() if "step" in line or "batch" in line]
    assert said == ["step 3 of 6: val/score 0.5000", "step 6 of 6: val/score 0.5000"]
    monkeypatch.setattr(progress, "EVERY", 0)
    run(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert "Training, epoch 1 of 2: step 1 of 6" in said
    assert "Training, epoch 2 of 2: step 6 of 6" in said
    assert "Validating: batch 3 of 3" in said
    assert "Testing: batch 1 of 3" in said


def test_a_bar_names_what_it_does_and_counts_from_one(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the output for a terminal
    monkeypatch.setenv("TERM", "xterm")
    run(tmp_path)
    said = capsys.readouterr().out
    assert "Training, epoch 1 of 2" in said
    assert "Training, epoch 2 of 2" in said
    assert "Testing" in said
    assert "epoch 0" not in said.lower()
