"""Networks, built from plain configuration by their own names: nothing here executes what a configuration says."""

from functools import partial
from typing import Any

import upsample
from models.networks.dcgan import DCGAN
from models.networks.deeplab import DeepLab
from models.networks.encoders import FAMILIES
from models.networks.interfaces import Network
from models.networks.super_resolution import EDSR, ESPCN, SRResNet
from models.networks.unet import UNet
from plumbing.options import check_options

# With an encoder, images to classes; without one, networks that make images.
SEGMENTATION: dict[str, type[Network]] = {"unet": UNet, "deeplab": DeepLab}
GENERATION: dict[str, type[Network]] = {"dcgan": DCGAN, "espcn": ESPCN, "srresnet": SRResNet, "edsr_baseline": EDSR}
NETWORKS = SEGMENTATION | GENERATION
GIVEN = ("in_channels", "out_channels", "scale", "skip_channels", "indices_channels")  # to an upsampler by its decoder


def choose(
    table: dict[str, Any], section: str, config: dict[str, Any], key: str = "name"
) -> tuple[Any, dict[str, Any]]:
    """Split a configuration section into what its `key` stands for in the table and its other keys."""
    options = dict(config)
    chosen = options.pop(key, None)
    if not isinstance(chosen, str) or chosen not in table:
        raise ValueError(f"{section}.{key} is '{chosen}', which does not exist; choose from {', '.join(table)}")
    return table[chosen], options


def build(config: dict[str, Any], channels: int, classes: int | None = None) -> Network:
    """Build the network of a configuration with the sections `model`, `upsample` and, for segmentation, `encoder`.

    channels  of the images that go in and, from networks that make images, come out
    classes   that a segmentation tells apart
    Raises ValueError, in one sentence, for what cannot be built.
    """
    network, options = choose(NETWORKS, "model", config["model"])
    makes_images = config["model"]["name"] in GENERATION
    check_options("model", network, options, given=("channels" if makes_images else "encoder", "classes", "upsample"))
    operator, upsampler = choose(upsample.available(), "upsample", config["upsample"])
    known = {key: value for key, value in upsampler.items() if key in operator.options}
    check_options("upsample", operator.build, known, given=GIVEN)
    factory = partial(upsample.build, config["upsample"]["name"], **upsampler)
    if makes_images:
        return network(channels, factory, **options)
    encoder, encoder_options = choose(FAMILIES, "encoder", config["encoder"], key="family")
    check_options("encoder", encoder, encoder_options, given=("in_channels",))
    return network(encoder(channels, **encoder_options), classes, factory, **options)
