"""What a run says where memory ends."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from data.loading.datamodule import DataModule
from models.training.memory import out_of_memory, peak_memory_mb, smaller_batch


class ExplainMemory(Callback):
    """Raises ValueError with what did not fit, and what would, where memory ends."""

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        if not out_of_memory(exception):
            return
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        device, peak, available, free = trainer.strategy.root_device, peak_memory_mb(), float("inf"), ""
        if device.type == "cuda":
            available = (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)) / 1e6
            free = f" of {available:,.0f} MB that it could have"
        chosen = trainer.training or data.test_batch_size == data.batch_size  # else others choose how many are scored
        fitting = smaller_batch(data.batch_size, peak, available) if chosen else 0
        advice = f"data.batch_size={fitting} is likely to fit" if fitting else "choose smaller images or networks"
        if fitting and trainer.training:
            advice += ", and callbacks.auto_batch=true finds what does"
        stage = "training" if trainer.training else "scoring"
        last = Path(trainer.default_root_dir, "last.ckpt")
        advice += ": that is a run of its own"
        if last.exists():
            advice += f"; this one goes on from {last} by the same command where more memory is free"
        raise ValueError(
            f"out of memory in {stage} on {device} with data.batch_size={data.batch_size}, at a peak of "
            f"{peak:,.0f} MB{free}; {advice}"
        ) from exception
