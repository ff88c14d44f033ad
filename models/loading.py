"""One way to a trained network, wherever it lies."""

from pathlib import Path

from models.trained import checkpoint
from models.trained.saved import Saved, Trained
from models.training.checkpoint_file import is_there
from models.zoo import entry


def read(where: str | Path) -> Saved:
    """What is saved at `where`: zoo:NAME, the path of a zoo entry's folder, or of a checkpoint that train.py wrote.

    Raises ValueError, in one sentence, for what is not there or cannot be trusted.
    """
    if str(where).startswith("zoo:"):
        return entry.read_named(str(where).removeprefix("zoo:"))
    path = Path(where)
    if path.is_dir():
        return entry.read_folder(path)
    if not is_there(path):
        raise ValueError(f"there is no checkpoint {where}; name a file, a folder of a zoo, or zoo:NAME")
    return checkpoint.read(path)


def load(where: str | Path) -> Trained:
    """The trained network saved at `where` (see `read`), ready to use, on the CPU."""
    return Trained(read(where))
