"""Networks, built from plain configuration by their own names: nothing here executes what a configuration says."""

from functools import partial
from typing import Any

import upsample
from models.encoders import ENCODERS
from models.interfaces import Network
from models.unet import UNet


def choose(table: dict[str, Any], section: str, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Split a configuration section into what its `name` stands for in the table and its other keys."""
    options = dict(config)
    name = options.pop("name", None)
    if name not in table:
        raise ValueError(f"{section}.name is '{name}', which does not exist; choose from {', '.join(table)}")
    return table[name], options


def build(config: dict[str, Any], in_channels: int, classes: int) -> Network:
    """Build the network of a configuration with the sections `model`, `encoder` and `upsample`.

    Raises ValueError, in one sentence, for what cannot be built.
    """
    network, options = choose({"unet": UNet}, "model", config["model"])
    encoder, encoder_options = choose(ENCODERS, "encoder", config["encoder"])
    upsampler = dict(config["upsample"])
    factory = partial(upsample.build, upsampler.pop("name"), **upsampler)
    return network(encoder(in_channels, **encoder_options), classes, factory, **options)
