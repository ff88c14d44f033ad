"""The phase algebra against the layers themselves."""

from math import gcd
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from upsample.algebra.polyphase import from_polyphase, is_plain, polyphase, shuffled

GRID = [(k, s, d) for k in range(1, 8) for s in range(1, 5) for d in range(1, 5)]


TRANSPOSED = [
    {"kernel_size": k, "stride": s, "dilation": d, "padding": min(1, d * (k - 1))} for k, s, d in GRID if k != 6
] + [
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    {"kernel_size": (3, 5), "stride": (2, 3), "padding": (1, 4), "dilation": (2, 3), "groups": 2},
    {"kernel_size": 5, "stride": 4, "dilation": 6, "padding": 7, "bias": False},
    {"kernel_size": (1, 4), "stride": (3, 1), "output_padding": (2, 0), "groups": 4},
]


@pytest.mark.parametrize("setting", TRANSPOSED)
def test_polyphase_is_the_layer_and_inverts(setting: dict) -> None:
    layer = nn.ConvTranspose2d(4, 8, **setting).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    parts = polyphase(layer)
    assert len(parts.phases) == layer.stride[0] * layer.stride[1]
    torch.testing.assert_close(parts(x), layer(x), rtol=1e-12, atol=1e-12)
    back = from_polyphase(parts)
    assert (back.kernel_size, back.stride, back.padding, back.groups) == (
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.groups,
    )
    assert torch.equal(back.weight, layer.weight)
    assert torch.equal(back(x), layer(x))


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose1d(4, 6, 5, stride=3, padding=2, output_padding=2, groups=2),
        nn.ConvTranspose1d(2, 3, 4, stride=4, dilation=2, bias=False),
        nn.ConvTranspose3d(2, 4, 2, stride=2),
        nn.ConvTranspose3d(2, 4, (1, 4, 3), stride=(1, 2, 3), padding=(0, 1, 0), groups=2),
        nn.ConvTranspose3d(2, 2, 3, stride=(2, 1, 2), dilation=(2, 1, 1)),
    ],
)
def test_one_and_three_axes(layer: nn.Module) -> None:
    layer = layer.double()
    x = torch.randn(2, layer.in_channels, 5, 4, 6, dtype=torch.float64)[(..., *[0] * (3 - len(layer.stride)))]
    parts = polyphase(layer)
    torch.testing.assert_close(parts(x), layer(x), rtol=1e-12, atol=1e-12)
    back = from_polyphase(parts)
    assert (type(back), back.stride, back.groups) == (type(layer), layer.stride, layer.groups)
    assert torch.equal(back(x), layer(x))


def test_landings_are_where_a_lit_pixel_shows() -> None:
    layer = nn.ConvTranspose2d(1, 1, (3, 4), stride=2, padding=1, dilation=(1, 3), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(1.0, 13).view(1, 1, 3, 4))
    lit = torch.zeros(1, 1, 11, 11)
    lit[0, 0, 5, 5] = 1
    y, parts = layer(lit)[0, 0], polyphase(layer)
    places = [place for r in parts.phases for place in parts.landings(r)]
    values = torch.cat([part.kernel.flatten() for part in parts.phases.values()])
    assert len(places) == 12
    for (row, column), value in zip(places, values, strict=True):
        assert y[10 + row, 10 + column] == value


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("conv", "scale"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 2),
        (nn.Conv2d(3, 8, 4, padding="same"), 2),
        (nn.Conv2d(3, 18, (3, 5), padding=(1, 2), dilation=(1, 2)), 3),
        (nn.Conv2d(4, 16, 3, padding="valid", bias=False, groups=2), 2),
    ],
)
def test_polyphase_of_a_pixel_shuffle(conv: nn.Conv2d, scale: int) -> None:
    tail = nn.Sequential(conv, nn.PixelShuffle(scale)).double()
    x = torch.randn(2, conv.in_channels, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(polyphase(tail)(x), tail(x), rtol=1e-12, atol=1e-12)


def test_a_shuffle_in_any_order_over_three_axes() -> None:
    """Features that hold place before channel, dealt out by reshape and permute."""
    conv = nn.Conv3d(2, 2 * 3 * 4, 3, padding=1).double()
    x = torch.randn(1, 2, 4, 5, 3, dtype=torch.float64)
    y = conv(x).view(1, 1, 2, 4, 3, 4, 5, 3).permute(0, 4, 5, 1, 6, 2, 7, 3).reshape(1, 3, 4, 10, 12)
    order = torch.arange(24).view(1, 2, 4, 3).permute(3, 0, 1, 2)
    torch.testing.assert_close(shuffled(conv, order)(x), y, rtol=1e-12, atol=1e-12)
    with pytest.raises(TypeError, match="each output channel comes from one of its groups"):
        shuffled(nn.Conv2d(2, 8, 1, groups=2), torch.arange(8).view(2, 2, 2).flip(0).transpose(0, 1))


def test_a_pixel_shuffle_is_a_transposed_convolution_of_scale_times_its_kernel() -> None:
    tail = nn.Sequential(nn.Conv2d(3, 18, 3, padding=1), nn.PixelShuffle(3)).double()
    with pytest.raises(ValueError, match="one bias for all phases"):
        from_polyphase(polyphase(tail))
    nn.init.zeros_(tail[0].bias)
    layer = from_polyphase(polyphase(tail))
    assert layer.kernel_size == (9, 9)
    x = torch.randn(1, 3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), tail(x), rtol=1e-12, atol=1e-12)


def test_polyphase_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="not Conv2d"):
        polyphase(nn.Conv2d(1, 1, 3))


class Doubled(nn.ConvTranspose2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(2 * x)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_layers_that_do_not_do_what_their_weights_say_are_not_read() -> None:
    hooked, replaced = nn.ConvTranspose2d(1, 1, 2, 2), nn.ConvTranspose2d(1, 1, 2, 2)
    hooked.register_forward_hook(lambda module, given, y: 2 * y)
    replaced.forward = nn.Identity().forward
    for layer in (Doubled(1, 1, 2, 2), hooked, replaced):
        assert not is_plain(layer)
        with pytest.raises(TypeError, match="without a forward or hooks of their own"):
            polyphase(layer)
    assert is_plain(parametrizations.weight_norm(nn.ConvTranspose2d(1, 1, 2, 2)))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("normalise", [weight_norm, spectral_norm])
def test_weights_that_hooks_make_are_read_as_they_will_be(normalise: Any) -> None:
    layer = normalise(nn.ConvTranspose1d(2, 3, 4, stride=2)).eval()
    with torch.no_grad():
        next(layer.parameters()).mul_(3)
        for parameter in layer.parameters():
            parameter.add_(0.1)  # as a checkpoint loaded after the last forward
    x = torch.randn(1, 2, 7)
    torch.testing.assert_close(polyphase(layer)(x), layer(x))


@pytest.mark.parametrize(("k", "s", "d"), GRID)
def test_a_common_factor_of_stride_and_dilation_is_zero_insertion(k: int, s: int, d: int) -> None:
    """tconv(s, d) = zero-insert_g after tconv(s/g, d/g), g = gcd(s, d)."""
    g = gcd(s, d)
    x, weight = torch.randn(1, 2, 4, 5, dtype=torch.float64), torch.randn(2, 3, k, k, dtype=torch.float64)
    whole = nn.functional.conv_transpose2d(x, weight, stride=s, dilation=d)
    dense = nn.functional.conv_transpose2d(x, weight, stride=s // g, dilation=d // g)
    inserted = torch.zeros_like(whole)
    inserted[..., ::g, ::g] = dense
    torch.testing.assert_close(whole, inserted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("k", "d", "p"), [(3, 1, 0), (3, 2, 1), (4, 3, 2)])
def test_with_stride_1_it_is_an_ordinary_dilated_convolution(k: int, d: int, p: int) -> None:
    x, weight = torch.randn(1, 2, 9, 8, dtype=torch.float64), torch.randn(2, 3, k, k, dtype=torch.float64)
    transposed = nn.functional.conv_transpose2d(x, weight, padding=p, dilation=d)
    ordinary = nn.functional.conv2d(x, weight.flip(2, 3).transpose(0, 1), padding=d * (k - 1) - p, dilation=d)
    torch.testing.assert_close(transposed, ordinary)
