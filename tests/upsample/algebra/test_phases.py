"""The phase algebra against literal loops and against the layers themselves."""

import doctest
import re
from itertools import product
from math import gcd, inf
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upsample.algebra.phases
from upsample.algebra.phases import even_settings, from_polyphase, overlap, padding_for, phase_imbalance, polyphase

GRID = [(k, s, d) for k in range(1, 8) for s in range(1, 5) for d in range(1, 5)]


def as_black_box(layer: nn.Module) -> nn.Module:
    """The same function, in a module whose weights the algebra does not recognise."""
    return nn.Sequential(layer, nn.Identity())


@pytest.mark.parametrize(("k", "s", "d"), GRID)
def test_overlap_counts_what_reaches_each_output_pixel(k: int, s: int, d: int) -> None:
    line = torch.zeros(80 * s + d * k, dtype=torch.long)
    for i, a in product(range(80), range(k)):
        line[s * i + d * a] += 1
    period = torch.outer(line[40 * s : 41 * s], line[40 * s : 41 * s])
    found = overlap(k, s, d)
    assert torch.equal(torch.tensor(found.taps), line[40 * s : 41 * s])
    assert found.hole_fraction == pytest.approx((period == 0).double().mean().item())
    assert found.variation == pytest.approx((period.double().std(correction=0) / period.double().mean()).item())
    assert found.even == (gcd(s, d) == 1 and k % s == 0)


@pytest.mark.parametrize(("k", "s", "d"), [(k, s, d) for k, s, d in GRID if padding_for(k, s, d)[1] < max(s, d)])
def test_padding_for_gives_stride_times_the_input(k: int, s: int, d: int) -> None:
    padding, output_padding = padding_for(k, s, d)
    layer = nn.ConvTranspose2d(1, 1, k, s, padding, output_padding, dilation=d)
    assert layer(torch.zeros(1, 1, 9, 7)).shape[2:] == (9 * s, 7 * s)


@pytest.mark.parametrize(("k", "s", "d"), [(3, 2, 1), (3, 2, 2), (5, 4, 2), (2, 3, 3)])
def test_even_settings_are_even_and_centred(k: int, s: int, d: int) -> None:
    near = even_settings(k, s, d)
    assert len(near) == 3
    for kernel_size, dilation in near:
        assert overlap(kernel_size, s, dilation).even
        assert padding_for(kernel_size, s, dilation)[1] == 0


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


def literal_imbalance(layer: nn.ConvTranspose2d) -> float:
    """D by the definition, one tap at a time."""
    (sh, sw), (dh, dw), (ph, pw) = layer.stride, layer.dilation, layer.padding
    per_group, out_per_group = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    answers = torch.zeros(sh, sw, layer.out_channels, layer.in_channels + 1, dtype=torch.float64)
    for i, o in product(range(layer.in_channels), range(out_per_group)):
        out = i // per_group * out_per_group + o
        for a, b in product(range(layer.kernel_size[0]), range(layer.kernel_size[1])):
            answers[(dh * a - ph) % sh, (dw * b - pw) % sw, out, i] += layer.weight[i, o, a, b].double()
    if layer.bias is not None:
        answers[..., -1] = layer.bias.detach().double()
    mean = answers.mean((0, 1))
    return ((answers - mean).square().sum((2, 3)).mean().sqrt() / mean.norm()).item()


@pytest.mark.parametrize(
    "setting",
    [
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 2},
        {"kernel_size": 4, "stride": 2, "padding": 4, "dilation": 3},
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        {"kernel_size": 7, "stride": 3, "padding": 3, "dilation": 2, "bias": False},
        {"kernel_size": 7, "stride": 4, "padding": 1, "dilation": 4},
    ],
)
def test_imbalance_of_weights_and_black_box_agree_with_the_definition(setting: dict) -> None:
    layer = nn.ConvTranspose2d(4, 6, **setting)
    expected = literal_imbalance(layer)
    assert phase_imbalance(layer) == pytest.approx(expected, abs=1e-9)
    assert phase_imbalance(as_black_box(layer)) == pytest.approx(expected, abs=1e-5)


def test_imbalance_of_unequal_strides() -> None:
    layer = nn.ConvTranspose2d(3, 2, (3, 4), stride=(1, 2), padding=1)
    assert phase_imbalance(layer) == pytest.approx(literal_imbalance(layer), abs=1e-9)
    with pytest.raises(ValueError, match="not the same integer factor along both axes"):
        phase_imbalance(as_black_box(layer))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_random_kernels_print_at_full_strength(k: int) -> None:
    torch.manual_seed(0)
    found = [phase_imbalance(nn.ConvTranspose2d(64, 64, k, stride=2)) for _ in range(4)]
    assert sum(found) / 4 == pytest.approx(3**0.5, rel=0.04)  # "about 1.7"


def test_equal_weights_print_what_the_overlap_prints() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    assert phase_imbalance(layer) == pytest.approx(0.484, abs=5e-4)
    assert phase_imbalance(layer) == pytest.approx(overlap(3, 2).variation)
    assert phase_imbalance(as_black_box(layer)) == pytest.approx(phase_imbalance(layer), abs=1e-9)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nearest", {}),
        ("bilinear", {}),
        ("resize_conv", {}),
        ("pixel_shuffle", {"icnr": True}),
        ("pixel_shuffle", {"icnr": False, "balanced": True}),
        ("deconv", {"balanced": True}),
        ("dilated_deconv", {"balanced": True}),
        ("separable_deconv", {"balanced": True}),
        ("fir", {}),
    ],
)
def test_even_operators_print_nothing(name: str, options: dict, scale: int) -> None:
    assert phase_imbalance(upsample.build(name, 4, 3, scale, **options), 4) < 1e-6


def test_untied_bias_alone_prints() -> None:
    """ICNR on the weights but not on the bias: the bias is part of what a constant turns into."""
    tail = nn.Sequential(nn.Conv2d(2, 4, 1), nn.PixelShuffle(2))
    with torch.no_grad():
        tail[0].weight.copy_(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(4, 2, 1, 1))
        tail[0].bias.copy_(torch.tensor([1.0, -1.0, 1.0, -1.0]))
    assert phase_imbalance(tail) == pytest.approx(1 / 5)  # deviation 1 in the bias, mean (3, 4, 0)
    assert phase_imbalance(as_black_box(tail)) == pytest.approx(1 / 5, abs=1e-6)


def test_parametrised_weights_are_read_as_they_act() -> None:
    layer = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1)
    normed = parametrizations.weight_norm(nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1))
    with torch.no_grad():
        normed.parametrizations.weight.original0 *= 3
        normed.parametrizations.weight.original1.copy_(layer.weight)
    assert phase_imbalance(normed) == pytest.approx(literal_imbalance(normed), abs=1e-9)


def test_imbalance_where_the_phases_cancel_or_there_is_nothing() -> None:
    layer = nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).view(1, 1, 2, 2))
    assert phase_imbalance(layer) == inf
    nn.init.zeros_(layer.weight)
    assert phase_imbalance(layer) == 0


def test_a_black_box_is_measured_in_evaluation_mode_and_left_alone() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.9), nn.ConvTranspose2d(3, 3, 4, 2, 1))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    first = phase_imbalance(module, 3)
    assert first == phase_imbalance(module, 3)
    assert all(m.training for m in module.modules())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


class Wide(nn.Module):
    """Reads far beyond its pixel, so that a small probe would see the border everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.avg_pool2d(x, 23, stride=1, padding=11, count_include_pad=True)
        return nn.functional.interpolate(x, scale_factor=2.0)


def test_the_probe_grows_until_the_border_is_out_of_the_way() -> None:
    assert phase_imbalance(Wide(), 2) == pytest.approx(0, abs=1e-12)


def test_a_module_that_cannot_be_fed_says_so() -> None:
    with pytest.raises(ValueError, match="Conv2d cannot be probed with an input of 5 channels"):
        phase_imbalance(nn.Conv2d(3, 3, 1), 5)


def test_the_docstrings_run() -> None:
    assert doctest.testmod(upsample.algebra.phases).failed == 0


def test_the_table_of_holes_in_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dilated_deconvolution.md").read_text()
    rows = re.findall(r"^\| (\d) \| (\d+) % \| (\d+) % \| (\d+) % \| (\d+) % \|$", page, re.MULTILINE)
    assert len(rows) == 3
    for stride, *shares in rows:
        for dilation, share in enumerate(shares, 1):
            assert round(100 * overlap(7, int(stride), dilation).hole_fraction) == int(share)


@pytest.mark.parametrize(("k", "d", "p"), [(3, 1, 0), (3, 2, 1), (4, 3, 2)])
def test_with_stride_1_it_is_an_ordinary_dilated_convolution(k: int, d: int, p: int) -> None:
    x, weight = torch.randn(1, 2, 9, 8, dtype=torch.float64), torch.randn(2, 3, k, k, dtype=torch.float64)
    transposed = nn.functional.conv_transpose2d(x, weight, padding=p, dilation=d)
    ordinary = nn.functional.conv2d(x, weight.flip(2, 3).transpose(0, 1), padding=d * (k - 1) - p, dilation=d)
    torch.testing.assert_close(transposed, ordinary)
