"""One way to a trained network, wherever it lies."""

from pathlib import Path

from models import checkpoint
from models.saved import Saved, Trained


def read(where: str | Path) -> Saved:
    """What is saved at `where`: the path of a checkpoint that train.py wrote.

    Raises ValueError, in one sentence, for what is not there or cannot be trusted.
    """
    path = Path(where)
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {where}")
    return checkpoint.read(path)


def load(where: str | Path) -> Trained:
    """The trained network saved at `where` (see `read`), ready to use, on the CPU."""
    return Trained(read(where))
