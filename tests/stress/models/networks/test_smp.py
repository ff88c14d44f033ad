"""Every architecture of segmentation-models-pytorch with three operators: forward, backward, audit, ONNX.

8 to 30 s of a core's time a case. Run with `pytest tests/stress/models/networks`.
"""

import typing
from pathlib import Path
from typing import Any

import pytest
import torch

import upsample
from models.networks.smp import Architecture
from models.trained.export import TOLERANCE, export
from upsample.models.tracing import is_operator

ENLARGED = {  # of each with smp's defaults, counted by hand: what enlarges by a whole number
    **{"Unet": 5, "UnetPlusPlus": 11, "FPN": 10, "Linknet": 5, "MAnet": 5, "PAN": 6, "PSPNet": 1, "UPerNet": 7},
    **{"Segformer": 4, "DPT": 7, "DeepLabV3": 1, "DeepLabV3Plus": 2},
}
SPREAD = {"PAN": 1, "PSPNet": 4, "UPerNet": 4, "DeepLabV3": 1, "DeepLabV3Plus": 1}  # poolings spread over the map again


def of(architecture: str) -> dict[str, str]:
    """A section `model`."""
    vit = {"encoder": "tu-vit_tiny_patch16_224"} if architecture == "DPT" else {}
    return {"name": "smp", "architecture": architecture} | vit


def test_every_architecture_is_here() -> None:
    assert set(typing.get_args(Architecture)) == set(ENLARGED)


@pytest.mark.parametrize("name", ["deconv", "dilated_deconv", "resize_conv", "published"])
@pytest.mark.parametrize("architecture", ENLARGED)
def test_architecture(architecture: str, name: str, trained: Any, tmp_path: Path) -> None:
    net = trained({"name": name}, of(architecture))
    network = net.network
    expected = 0 if name == "published" else ENLARGED[architecture]
    assert len(network.upsamplers()) == expected
    assert sum(bool(each.kept) for each in network.swapped) == (
        0 if name == "published" else SPREAD.get(architecture, 0)
    )

    report = upsample.audit(network)
    assert not report.unseen
    enlarging = [layer for layer in report.layers if layer.kind == "upsampling"]
    operators = {path for path, module in network.named_modules() if is_operator(module)}
    assert sum(layer.name in operators for layer in enlarging) == expected
    if name != "published":  # nothing of smp's is left but what is spread
        interpolated = [layer for layer in enlarging if layer.name not in operators]
        assert all("interpolate" in layer.what for layer in interpolated)
        assert len(interpolated) <= SPREAD.get(architecture, 0)

    network.train()
    x = torch.randn(2, 3, network.period + 7, 2 * network.period - 5)
    y = network(x)
    assert y.shape == (2, 3, *x.shape[-2:])
    y.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert not parameter.requires_grad or parameter.grad.isfinite().all(), key
    network.eval().zero_grad()

    assert export(net, tmp_path / "net.onnx", "onnx").error <= TOLERANCE
