"""Lightning's checkpoints, read as data: plain values and tensors, never code."""

import pickle
import zipfile
from pathlib import Path

import torch

from models.trained.saved import Saved, check


def read(path: Path) -> Saved:
    """What the checkpoint of a run holds for use, on the CPU.

    Raises ValueError, in one sentence, for a file that is no checkpoint of this project, that holds anything but
    plain values and tensors, or that is compressed (torch writes none that is: it could unpack to any size).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError(f"{path} is compressed, which torch.save never does; it is not loaded")
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"the checkpoint {path} cannot be read ({error.strerror})") from None
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        cause = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} is no checkpoint of plain values and tensors, so it is not loaded ({cause})"
        ) from None
    if not isinstance(stored, dict) or "config" not in stored or not isinstance(stored.get("state_dict"), dict):
        raise ValueError(
            f"{path} does not say what network it holds; only checkpoints that train.py wrote can be loaded"
        )
    check(stored["config"])
    weights = {key: value for key, value in stored["state_dict"].items() if isinstance(value, torch.Tensor)}
    start = "network."
    return Saved(stored["config"], {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)})
