"""An image enlarged in tiles, against the network at once."""

from typing import Any

import pytest
import torch
from torch import nn

from models.tasks.super_resolution.predict import enlarge, margin


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(256, (3, 37, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("upsampler", ["pixel_shuffle", "resize_conv", "bicubic"])
def test_enlarged_in_tiles_is_enlarged_at_once(upsampler: str, trained: Any, image: torch.Tensor) -> None:
    net = trained({"name": upsampler}, {"name": "espcn", "scale": 3})
    whole = enlarge(net, image)
    assert whole.shape == (3, 111, 150)
    with torch.no_grad():
        assert torch.equal(whole, (255 * net(image[None])[0] + 0.5).floor().clamp(0, 255).byte())
    tiled = enlarge(net, image, tile=8)
    assert (tiled.int() - whole.int()).abs().max() <= 1  # rounding may fall the other way
    assert (tiled != whole).float().mean() < 0.001


def test_the_margin_covers_what_a_network_looks_at() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 3, padding=4, dilation=4))
    assert margin(network) == 2 + 4 + 8
