"""What `train.py` would build of overrides, and where and in which precision it would train."""

from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from models.training.trainer import fast_precision
from study import identity

CONF = Path(identity.__file__).parents[1] / "conf"


def configuration(*overrides: str) -> dict[str, Any]:
    """The composed configuration, as plain dicts and lists."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return identity.plain(compose("config", list(overrides)))


def device() -> torch.device:
    """Where trainings run."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def low() -> bool:
    """Whether the trainer's own precision is bfloat16 on this machine."""
    return fast_precision() == "bf16-mixed"


def autocast(enabled: bool | None = None) -> torch.autocast:
    """As the trainer computes: in bfloat16 where the hardware is fast at it, or where told."""
    return torch.autocast(device().type, torch.bfloat16, enabled=low() if enabled is None else enabled)
