from itertools import product

import pytest
import torch
import torch.nn.functional as F

import upsample


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_channels_are_dealt_out_to_the_phases(scale: int) -> None:
    layer = upsample.build("pixel_shuffle", 3, 2, scale, icnr=False)
    x = torch.randn(2, 3, 4, 5)
    low, y = layer.conv(x), layer(x)
    for channel, row, column in product(range(2), range(scale), range(scale)):
        assert torch.equal(y[:, channel, row::scale, column::scale], low[:, (channel * scale + row) * scale + column])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_icnr_starts_as_nearest_after_convolution(scale: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer = upsample.build("pixel_shuffle", 3, 2, scale, bias=bias)
    one_phase = layer.conv.weight[:: scale**2], layer.conv.bias[:: scale**2] if bias else None
    x = torch.randn(2, 3, 4, 5)
    expected = F.interpolate(F.conv2d(x, *one_phase, padding=1), scale_factor=scale)
    assert torch.allclose(layer(x), expected, rtol=1e-6, atol=1e-6)
    assert one_phase[0][0].std() > 0
    assert not torch.equal(one_phase[0][0], one_phase[0][1])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_blur_averages_a_window_of_the_shuffled_pixels(scale: int) -> None:
    layer = upsample.build("pixel_shuffle", 3, 2, scale, icnr=False, blur=True)
    x = torch.randn(2, 3, 4, 5)
    sharp = F.pixel_shuffle(layer.conv(x), scale)
    expected = torch.zeros_like(sharp)
    rows, columns = range(sharp.shape[2]), range(sharp.shape[3])
    window = range(-(scale // 2), scale - scale // 2)
    for row, column, dy, dx in product(rows, columns, window, window):
        i, j = min(max(row + dy, 0), rows[-1]), min(max(column + dx, 0), columns[-1])
        expected[:, :, row, column] += sharp[:, :, i, j] / scale**2
    assert torch.allclose(layer(x), expected, atol=1e-6)
    flat = layer(torch.ones(1, 3, 5, 5))[:, :, 2 * scale : 3 * scale, 2 * scale : 3 * scale].flatten(2)
    assert torch.allclose(flat, flat[..., :1].expand_as(flat), atol=1e-6)
