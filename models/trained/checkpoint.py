"""The checkpoint of a run, read for the network in it; and one that holds a network alone."""

from pathlib import Path
from typing import Any

from models.networks.interfaces import Network
from models.trained.configuration import check
from models.trained.saved import Saved
from models.training.checkpoint_file import load
from models.training.checkpoints import WholeFiles


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


def write(path: Path, network: Network, config: dict[str, Any], about: str) -> None:
    """Write what `read` reads: of a network what is used once trained, with its configuration (see `Saved`), and a
    text about where it comes from; whole or not at all, with its digest."""
    start = f"network.{network.used}." if network.used else "network."
    weights = network.get_submodule(network.used).state_dict()
    stored = {f"{start}{key}": value.detach().cpu() for key, value in weights.items()}
    WholeFiles().save_checkpoint({"config": config, "state_dict": stored, "about": about}, path)
