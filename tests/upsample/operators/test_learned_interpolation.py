from itertools import product

import pytest
import torch

import upsample


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_new_pixel_lies_between_its_neighbours(scale: int) -> None:
    torch.manual_seed(0)
    layer = upsample.build("learned_interpolation", 3, 3, scale).double()
    down, across = (torch.nn.init.normal_(weight) for weight in (layer.weight_down, layer.weight_across))
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    y = layer(x)
    for channel, row, column in product(range(3), range(scale * 4), range(scale * 5)):
        i, j = row // scale, column // scale
        a = torch.sigmoid(down[channel, row % scale - 1]) if row % scale else 1.0
        b = torch.sigmoid(across[channel, column % scale - 1]) if column % scale else 1.0
        p = x[:, channel]
        below, right = min(i + 1, 3), min(j + 1, 4)
        upper = b * p[:, i, j] + (1 - b) * p[:, i, right]
        lower = b * p[:, below, j] + (1 - b) * p[:, below, right]
        assert torch.allclose(y[:, channel, row, column], a * upper + (1 - a) * lower, atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_starts_linear_and_keeps_the_input_pixels(scale: int) -> None:
    layer = upsample.build("learned_interpolation", 1, 1, scale)
    ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    y = layer(ramp)
    assert torch.equal(y[..., ::scale, ::scale], ramp)
    steps = torch.arange(4 * scale + 1) / scale
    assert torch.allclose(y[0, 0, 0, : 4 * scale + 1], steps, atol=1e-6)
    assert torch.all(y[..., 4 * scale :] == 4)


def test_has_scale_minus_one_weights_per_channel_and_axis() -> None:
    layer = upsample.build("learned_interpolation", 7, 7, 4)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 2 * 3 * 7
