"""Trained networks by name: `zoo.load("unet-earth-dilated_deconv")`. The commands: `python -m models.zoo --help`.

An entry is a folder: model.safetensors (weights), config.yaml (what builds the network and its preprocessing, and the
data it was scored on), card.md, preview.png; index.yaml lists the entries with their scores and checksums.
"""

from models.zoo.entry import FOLDER, load

__all__ = ["FOLDER", "load"]
