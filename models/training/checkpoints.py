"""Where a stopped run goes on: checkpoints that are whole or not there, whoever reads them."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from models.training import checkpoint_file
from models.training.digest import DamagedError, seal
from plumbing.atomic import whole
from plumbing.messages import say

# Of what a training's checkpoints hold, that without which Lightning cannot go on.
TRAINING = {"pytorch-lightning_version", "state_dict", "loops", "optimizer_states", "lr_schedulers"}


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place, with its digest, flushes it to the disk and renames it: what stops the
    write, be it a full disk or the end of the power, leaves the one before it. Reads none that is damaged.

    Raises ValueError, in one sentence, where it cannot be written or read.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        try:
            with whole(path) as partial, partial.open("w+b") as file:
                torch.save(checkpoint, file)
                seal(file)
        except (OSError, RuntimeError) as error:
            # Where a file takes but a part of what is written, torch raises an error of its own over the system's.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            kept = "the one before it is whole" if path.exists() else "there was none before it"
            raise ValueError(
                f"the checkpoint {path} could not be written ({cause.strerror}), {kept}; mend that and start the same "
                "command again, which continues the run"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        stored = checkpoint_file.load(Path(path))
        if not stored.keys() >= TRAINING:
            raise ValueError(f"{path} holds no state of a training; move it away, and begin from it with init=PATH")
        return stored


def newest(folder: Path) -> Path | None:
    """Return the checkpoint from which a run continues: last.ckpt, else best.ckpt, else None; damaged ones are named.

    Raises ValueError for one that is there but cannot be opened or read: to start without it would write over it.
    """
    damaged = 0
    for path in (folder / "last.ckpt", folder / "best.ckpt"):
        if not checkpoint_file.is_there(path):
            continue
        try:
            if not checkpoint_file.verify(path):
                say(f"{path} was written before checkpoints had a digest: its parts' checksums are right")
            return path
        except DamagedError as error:
            say(f"Passed over: {error}")
            damaged += 1
    if damaged:
        say("No whole checkpoint is left: the run starts afresh")
    return None
