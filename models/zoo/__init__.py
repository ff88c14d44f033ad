"""Trained networks by name: `zoo.load("unet-earth-dilated_deconv")`. The commands: `python -m models.zoo --help`.

An entry is a folder: model.safetensors (weights), config.yaml (what builds the network and its preprocessing, and the
data it was scored on), card.md, preview.png; index.yaml lists the entries with their scores and checksums.
"""

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from models.zoo.entry import load  # here, so that commands see what entries there are without torch

        return load
    raise AttributeError(f"models.zoo has no '{name}'")
