"""Every network with every upsampler and encoder, both formats, folded and not: about a thousand exports, for hours.

About a thousand exports: hours on two cores.
Run with `pytest tests/stress/models`.
"""

from pathlib import Path
from typing import Any

import pytest

import upsample
from models.trained.export import SUFFIXES, TOLERANCE, export

PLAIN = {"family": "plain", "width": 8, "depth": 3}
LITTLE = {"blocks": 1, "width": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"name": "unet"},
    **{f"deeplab-{v}": {"name": "deeplab", "version": v, "width": 8, "channels": 8} for v in ("1", "2", "3", "3plus")},
    "dcgan": {"name": "dcgan", "width": 4},
    "dcgan-spectral": {"name": "dcgan", "width": 4, "spectral_norm": True},
    "dcgan-classes": {"name": "dcgan", "width": 4, "classes": "auto"},
    "sngan": {"name": "sngan", "width": 4},
    "sngan-classes": {"name": "sngan", "width": 4, "classes": "auto"},
    "sesr-x3": {"name": "sesr", "scale": 3, "blocks": 1},
    **{f"espcn-x{scale}": {"name": "espcn", "scale": scale} for scale in (2, 3, 4)},
    **{f"srresnet-x{scale}": {"name": "srresnet", "scale": scale, **LITTLE} for scale in (2, 3, 4)},
    **{f"edsr_baseline-x{scale}": {"name": "edsr_baseline", "scale": scale, **LITTLE} for scale in (2, 3, 4)},
}
ENCODERS: list[dict[str, Any]] = [
    {"family": "resnet", "output_stride": 16},
    {"family": "resnet", "output_stride": 32},
    {"family": "timm", "name": "mobilenetv3_small_050", "output_stride": 32},
    {"family": "timm", "name": "convnext_atto", "output_stride": 16},
    {"family": "efficientnet_lite0", "output_stride": 16},
]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize("upsampler", upsample.available())
@pytest.mark.parametrize("network", NETWORKS)
def test_network(network: str, upsampler: str, format: str, folded: bool, trained: Any, tmp_path: Path) -> None:
    try:
        net = trained({"name": upsampler}, NETWORKS[network], PLAIN)
    except ValueError as error:  # a colour image's 3 channels do not divide into groups, say
        pytest.skip(str(error))
    assert export(net, tmp_path / "net", format, folded=folded).error <= TOLERANCE


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize("model", ["unet", "deeplab"])
@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: f"{e.get('name', e['family'])}-{e['output_stride']}")
def test_encoder(encoder: dict[str, Any], model: str, format: str, folded: bool, trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "dilated_deconv"}, {"name": model}, encoder)
    assert export(net, tmp_path / "net", format, folded=folded).error <= TOLERANCE
