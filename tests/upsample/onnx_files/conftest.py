"""Networks written as ONNX files, small ones."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn


class Volume(nn.Module):
    """Depth to space over three axes, as MONAI writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3 * 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        n, _, d, h, w = y.shape
        return y.reshape(n, 3, 2, 2, 2, d, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, 3, 2 * d, 2 * h, 2 * w)


class Signal(nn.Module):
    """One axis, features in the order (place, channel)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 12, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y.view(len(x), 4, 3, -1).permute(0, 2, 3, 1).reshape(len(x), 3, -1)


class Patches(nn.Module):
    """A linear layer whose features become patches of 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.head = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 48)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        n, _, h, w = x.shape
        x = self.head(self.norm(x.flatten(2).transpose(1, 2)))
        return x.view(n, h, w, 4, 4, 3).permute(0, 5, 1, 3, 2, 4).reshape(n, 3, h * 4, w * 4)


# Every kind with random weights, whose phases therefore do not answer alike: (network, size of its input).
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "deconv": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), (1, 3, 16, 16)),
    "groups": (lambda: nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=2, bias=False), (1, 4, 16, 16)),
    "strides": (lambda: nn.ConvTranspose2d(3, 4, (3, 6), stride=(2, 3), dilation=(3, 1)), (1, 3, 16, 16)),
    "1-D": (lambda: nn.ConvTranspose1d(3, 4, 5, stride=2, padding=1), (1, 3, 16)),
    "3-D": (lambda: nn.ConvTranspose3d(3, 2, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1)), (1, 3, 8, 8, 8)),
    "batch norm": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 4, stride=2), nn.BatchNorm2d(4)), (1, 3, 16, 16)),
    "pixel shuffle": (lambda: nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)), (1, 3, 16, 16)),
    "3-D shuffle": (Volume, (1, 2, 6, 6, 6)),
    "1-D shuffle": (Signal, (1, 2, 16)),
    "patches": (Patches, (1, 3, 32, 32)),
}


@pytest.fixture
def network() -> Callable[[str], tuple[nn.Module, tuple[int, ...]]]:
    """`network(name)`: one of NETWORKS, built, and the size of its input."""

    def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
        torch.manual_seed(0)
        make, size = NETWORKS[name]
        return make().eval(), size

    return build


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Path]:
    """`exported(model, size)`: the model's ONNX file, by torch's exporter of graphs that ran."""

    def export(model: nn.Module, size: tuple[int, ...], **options: Any) -> Path:
        path = tmp_path / "net.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = next((p.dtype for p in model.parameters()), None)
            torch.onnx.export(model, (torch.zeros(size, dtype=kind),), path, dynamo=False, input_names=["x"], **options)
        return path

    return export
