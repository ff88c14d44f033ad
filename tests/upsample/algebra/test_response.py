"""Phases read off a layer's answers, against the layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.algebra.response import axes_of, frozen, measured_polyphase, scale_of
from upsample.pages.alone import Alone


@pytest.mark.parametrize("name", upsample.available())
def test_every_operator_can_be_fed_alone(name: str) -> None:
    module = Alone(name, 16, 16, 2)
    assert scale_of(frozen(module), 16, 2) == (2, 2)
    assert module(torch.randn(2, 16, 3, 5)).shape == (2, 16, 6, 10)


LINEAR = [
    nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), nn.BatchNorm2d(4)),
    nn.Sequential(nn.ConvTranspose1d(2, 3, 9, 4, dilation=3), nn.Conv1d(3, 3, 3, padding=1)),
    nn.Sequential(nn.Conv3d(2, 2, 1), nn.Upsample(scale_factor=2, mode="trilinear")),
    nn.Sequential(nn.ConvTranspose3d(2, 2, (1, 2, 2), (1, 2, 2))),
    upsample.build("bicubic", 2, 2, 3),
    upsample.build("learned_interpolation", 2, 2, 2),
    nn.Sequential(nn.Conv2d(2, 8, 5, padding=2, padding_mode="reflect"), nn.PixelShuffle(2)),
]


@pytest.mark.parametrize("layer", LINEAR)
def test_measured_phases_are_the_layer_away_from_the_border(layer: nn.Module) -> None:
    layer = layer.double().eval()
    axes, channels = axes_of(layer), next(layer.parameters()).shape[1] if [*layer.parameters()] else 2
    channels = 2 if not isinstance(layer, nn.Sequential) else layer[0].in_channels
    parts = measured_polyphase(layer, channels)
    assert parts is not None
    x = torch.randn(2, channels, *[18] * axes, dtype=torch.float64)
    y, z = layer(x), parts(x)
    inner = (..., *(slice(6 * s, 12 * s) for s in parts.stride))
    torch.testing.assert_close(z[inner], y[inner], rtol=1e-9, atol=1e-9)


class Placed(nn.Module):
    """Linear, but different at every place."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2) * torch.arange(2 * x.shape[-1])


@pytest.mark.parametrize(
    "layer", [Placed(), nn.Sequential(nn.ConvTranspose2d(1, 1, 2, 2), nn.ReLU()), upsample.build("carafe", 1, 1, 2)]
)
def test_what_is_not_linear_or_not_the_same_everywhere_has_no_phases(layer: nn.Module) -> None:
    assert measured_polyphase(layer, 1) is None
