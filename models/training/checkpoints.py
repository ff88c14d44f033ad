"""Where a stopped run goes on: checkpoints that are whole or not there, also between validations."""

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from plumbing.atomic import whole


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes it to the disk and renames it: what stops the write, be it a full
    disk or the end of the power, leaves the one before it. Raises ValueError where it cannot be written."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        try:
            with whole(path) as partial, partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            self._flush_names(path.parent)
        except OSError as error:
            kept = "the one before it is whole" if path.exists() else "there was none before it"
            raise ValueError(
                f"the checkpoint {path} could not be written ({error.strerror}), {kept}; mend that and start the same "
                "command again, which continues the run"
            ) from error

    @staticmethod
    def _flush_names(folder: Path) -> None:
        """Have a renaming survive the end of the power, too."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def newest(folder: Path) -> Path | None:
    """The checkpoint from which a run continues: last.ckpt, else best.ckpt, else None; damaged ones are named."""
    for path in (folder / "last.ckpt", folder / "best.ckpt"):
        if path.exists():
            reason = damage(path)
            if reason is None:
                return path
            print(f"Passed over: {path} is damaged ({reason})", flush=True)
    return None


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint's file, as its length and checksums tell; None for a whole one."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        return str(error)
    return None if member is None else f"the checksum of {member} is wrong"
