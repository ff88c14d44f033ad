"""Where pixels come from. Knows nothing of networks, tasks or Hydra."""

from typing import Any

from data import earth
from data.module import SegmentationData

SOURCES = {"earth": earth.segmentation}


def build(config: dict[str, Any], seed: int) -> SegmentationData:
    """Build the data module that a configuration's `data` section names. Raises ValueError in one sentence."""
    options = dict(config)
    name = options.pop("name", None)
    if name not in SOURCES:
        raise ValueError(f"data.name is '{name}', which does not exist; choose from {', '.join(SOURCES)}")
    return SOURCES[name](seed=seed, **options)
