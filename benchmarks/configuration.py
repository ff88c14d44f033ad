"""What `train.py` would build of overrides."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

import run_folder

CONF = Path(run_folder.__file__).with_name("conf")


def configuration(*overrides: str) -> dict[str, Any]:
    """The composed configuration, as plain dicts and lists."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return run_folder.plain(compose("config", list(overrides)))
