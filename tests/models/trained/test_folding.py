"""Folding changes the layers, not what they compute."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import models
from models.trained.export import trace
from models.trained.folding import fold


def folded(module: nn.Module, *shape: int) -> tuple[Counter[str], float]:
    """How often each operation is left, and by how much the result differs from what it was, relative to it."""
    torch.manual_seed(1)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    module = module.double().eval()
    x = torch.randn(shape, dtype=torch.float64)
    graph = fold(trace(module, (x,)).module())
    with torch.no_grad():
        expected = module(x)
        error = ((graph(x) - expected).abs().max() / expected.abs().max()).item()
    return Counter(str(node.target).split(".")[1] for node in graph.graph.nodes if node.op == "call_function"), error


CASES: dict[str, tuple[nn.Module, dict[str, int]]] = {
    "convolution and norm": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), {"conv2d": 1}),
    "grouped": (nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, bias=False), nn.BatchNorm2d(8)), {"conv2d": 1}),
    "transposed and norm": (nn.Sequential(nn.ConvTranspose2d(3, 4, 4, 2), nn.BatchNorm2d(4)), {"conv_transpose2d": 1}),
    "grouped transposed": (
        nn.Sequential(nn.ConvTranspose2d(4, 4, 4, 2, groups=2), nn.BatchNorm2d(4)),
        {"conv_transpose2d": 1, "batch_norm": 1},
    ),
    "resize and convolution": (
        nn.Sequential(nn.Upsample(scale_factor=3), nn.Conv2d(3, 4, 5, padding=2)), {"conv_transpose2d": 1}
    ),
    "resize, convolution and norm": (
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        {"conv_transpose2d": 1},
    ),
    "unpadded": (
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3)), {"upsample_nearest2d": 1, "conv2d": 1}
    ),
    "bilinear": (
        nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 4, 3, padding=1)),
        {"upsample_bilinear2d": 1, "conv2d": 1},
    ),
    "two factors": (
        nn.Sequential(nn.Upsample(scale_factor=(2, 3)), nn.Conv2d(3, 4, 3, padding=1)),
        {"upsample_nearest2d": 1, "conv2d": 1},
    ),
    "half a factor": (
        nn.Sequential(nn.Upsample(scale_factor=1.5), nn.Conv2d(3, 4, 3, padding=1)),
        {"upsample_nearest2d": 1, "conv2d": 1},
    ),
    "norm alone": (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), {"relu": 1, "batch_norm": 1}),
    "spectral norm": (nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))), {"conv2d": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_that_compose_are_one_and_others_stay(name: str) -> None:
    module, left = CASES[name]
    channels = next((m.in_channels for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)), 3)
    operations, error = folded(module, 2, channels, 9, 7)
    assert operations == left
    assert error <= 1e-12


class Added(nn.Module):
    """A resize, a convolution without bias, and `alpha` times a number for each channel."""

    def __init__(self, alpha: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1, bias=False))
        self.bias, self.alpha = nn.Parameter(torch.randn(1, 4, 1, 1)), alpha

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.layers(x), self.bias, alpha=self.alpha)


@pytest.mark.parametrize(("alpha", "left"), [(1, {"conv_transpose2d": 1}), (2, {"conv_transpose2d": 1, "add": 1})])
def test_a_bias_that_is_added_is_folded_as_it_stands(alpha: int, left: dict[str, int]) -> None:
    operations, error = folded(Added(alpha), 2, 3, 5, 6)
    assert operations == left
    assert error <= 1e-12


class Shared(nn.Module):
    """A convolution whose output is used before the norm and after."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + self.norm(y)


def test_what_is_used_twice_stays() -> None:
    operations, error = folded(Shared(), 2, 3, 5, 6)
    assert operations["batch_norm"] == 1
    assert error <= 1e-12


@pytest.mark.parametrize(
    ("upsampler", "gone"),
    [
        ({"name": "resize_conv"}, ("avg_pool2d", "flip", "batch_norm")),
        ({"name": "dilated_deconv"}, ("add", "batch_norm")),
        ({"name": "deconv", "balanced": True}, ("sum", "batch_norm")),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_a_generator_is_left_with_its_layers_alone(upsampler: dict[str, Any], gone: tuple[str, ...]) -> None:
    network = models.build({"model": {"name": "dcgan", "width": 4}, "upsample": upsampler}, 3)
    operations, error = folded(network.get_submodule("generator"), 2, 100)
    assert not set(gone) & (set(operations) - {"batch_norm"})
    assert operations["batch_norm"] == 1  # of the projection, which is no convolution
    assert operations["conv_transpose2d"] == 3
    assert error <= 1e-12
