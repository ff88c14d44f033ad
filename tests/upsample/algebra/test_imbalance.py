"""The imbalance against literal loops, against what layers answer, and on layers built to hide it."""

import copy
import pickle
from itertools import product
from math import inf
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upsample
from upsample.algebra.imbalance import phase_imbalance
from upsample.algebra.overlap import overlap


def as_black_box(layer: nn.Module) -> nn.Module:
    """The same function, in a module whose weights the algebra does not recognise."""
    return nn.Sequential(layer, nn.Identity())


def literal_imbalance(layer: Any) -> float:
    """D by the definition, one tap at a time, over any number of axes."""
    per_group, out_per_group = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    answers = torch.zeros(*layer.stride, layer.out_channels, layer.in_channels, dtype=torch.float64)
    for i, o in product(range(layer.in_channels), range(out_per_group)):
        out = i // per_group * out_per_group + o
        for tap in product(*map(range, layer.kernel_size)):
            phase = (
                (d * t - p) % s for d, t, p, s in zip(layer.dilation, tap, layer.padding, layer.stride, strict=True)
            )
            answers[(*phase, out, i)] += layer.weight[(i, o, *tap)].double()
    answers = answers.detach().flatten(0, -3)
    mean = answers.mean(0)
    return ((answers - mean).square().sum((1, 2)).mean().sqrt() / mean.norm()).item()


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
    assert phase_imbalance(as_black_box(layer)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose1d(3, 2, 5, stride=2, padding=1),
        nn.ConvTranspose1d(4, 4, 4, stride=3, dilation=2, groups=2),
        nn.ConvTranspose2d(3, 2, (3, 4), stride=(1, 2), padding=1),
        nn.ConvTranspose2d(2, 2, (4, 6), stride=(2, 3), padding=(1, 2)),
        nn.ConvTranspose3d(2, 3, 2, stride=2),
        nn.ConvTranspose3d(2, 3, (1, 4, 3), stride=(1, 2, 2)),
    ],
)
def test_one_two_and_three_axes_and_unequal_strides(layer: nn.Module) -> None:
    expected = literal_imbalance(layer)
    assert phase_imbalance(layer) == pytest.approx(expected, abs=1e-9)
    assert phase_imbalance(as_black_box(layer)) == pytest.approx(expected, abs=1e-6)


def test_a_large_bias_hides_nothing() -> None:
    layer = nn.ConvTranspose2d(1, 1, 2, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0], [0, 0]]).view(1, 1, 2, 2))
        layer.bias.fill_(100)
    for found in (phase_imbalance(layer), phase_imbalance(as_black_box(layer))):
        assert found == pytest.approx(3**0.5)
        assert found.bias == 0
        assert found.worst == pytest.approx(3**0.5)


@pytest.mark.parametrize("channel", [0, 700, 1023])
def test_one_channel_of_many_is_not_hidden(channel: int) -> None:
    layer = nn.ConvTranspose2d(2, 1024, 2, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        layer.weight[:, channel, 0, 1:] = 0
        layer.weight[:, channel, 1] = 0
    found = phase_imbalance(layer)
    assert found < 0.05
    assert (found.worst, found.channel) == (pytest.approx(3**0.5), channel)
    assert found.largest == found.worst


def test_a_dead_channel_and_rounding_are_no_worst_channel() -> None:
    layer = nn.ConvTranspose2d(4, 3, 4, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        layer.weight[:, 1] = 1e-20 * torch.randn(4, 4, 4)
        # A high-pass: each phase's taps sum to 0 but for rounding, which differs with their order.
        for r in product(range(2), repeat=2):
            taps = torch.tensor([0.1, 0.2, -0.3, 1e-9])[torch.randperm(4)]
            layer.weight[:, 2, r[0] :: 2, r[1] :: 2] = taps.view(2, 2)
    assert phase_imbalance(layer).largest < 1e-12


def test_it_is_a_number_that_can_be_copied() -> None:
    found = phase_imbalance(nn.ConvTranspose2d(1, 2, 2, 2))
    for copied in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (copied, copied.worst, copied.channel, copied.bias) == (found, found.worst, found.channel, found.bias)
    assert "worst=" in repr(found)


def test_weights_without_values() -> None:
    with pytest.raises(ValueError, match="meta device: there are no values to read"):
        phase_imbalance(nn.ConvTranspose3d(1, 1, 2, 2, device="meta"))
    layer = nn.ConvTranspose3d(1, 1, 2, 2)
    nn.init.constant_(layer.weight, torch.nan)
    assert phase_imbalance(layer) != phase_imbalance(layer)  # NaN


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


def test_untied_bias_is_told_apart() -> None:
    """ICNR on the weights but not on the bias: the bias is part of what a constant turns into."""
    tail = nn.Sequential(nn.Conv2d(2, 4, 1), nn.PixelShuffle(2))
    with torch.no_grad():
        tail[0].weight.copy_(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(4, 2, 1, 1))
        tail[0].bias.copy_(torch.tensor([1.0, -1.0, 1.0, -1.0]))
    for found in (phase_imbalance(tail), phase_imbalance(as_black_box(tail))):
        assert found == 0
        assert found.bias == pytest.approx(1 / 5)  # deviation 1 in the bias, mean (3, 4)
        assert found.largest == found.bias


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
