"""The checkpoint of a run, read for the network in it."""

from pathlib import Path

from models.trained.configuration import check
from models.trained.saved import Saved
from models.training.checkpoint_file import load


def read(path: Path) -> Saved:
    """Return what the checkpoint of a run holds for use, on the CPU.

    Raises ValueError, in one sentence, for a file that is no checkpoint of this project or is damaged, and for a
    configuration that is not as `Saved` describes; the weights are looked at where the network is built.
    """
    stored = load(path)
    if "config" not in stored or not isinstance(stored.get("state_dict"), dict):
        raise ValueError(
            f"{path} does not say what network it holds; only checkpoints that train.py wrote can be loaded"
        )
    check(stored["config"])
    start = "network."
    weights = {k: v for k, v in stored["state_dict"].items() if isinstance(k, str) and k.startswith(start)}
    return Saved(stored["config"], {k.removeprefix(start): v for k, v in weights.items()})
