"""Networks, how they learn, and what is kept of them. What is asked for is imported when it is.

>>> import models
>>> network = models.unet(classes=5, upsample="resize_conv")  # also deeplab, dcgan, sngan, espcn, ...
>>> network.period
8
"""

import importlib
from functools import partial
from typing import Any

ROOMS = ("loading", "networks", "tasks", "trained", "training", "zoo")


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return importlib.import_module(f"models.{name}")
    if not name.startswith("_"):
        from models.networks import build, network

        if name == "build":
            return build.build
        if name in network:
            return partial(build.one_line, name)
    raise AttributeError(f"models has no '{name}'")
