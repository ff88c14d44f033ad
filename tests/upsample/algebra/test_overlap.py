"""Overlap against literal loops."""

import doctest
import re
from itertools import product
from math import gcd
from pathlib import Path

import pytest
import torch
from torch import nn

import upsample.algebra.overlap
from upsample.algebra.overlap import even_settings, overlap, padding_for

GRID = [(k, s, d) for k in range(1, 8) for s in range(1, 5) for d in range(1, 5)]


@pytest.mark.parametrize(("k", "s", "d"), GRID)
def test_overlap_counts_what_reaches_each_output_pixel(k: int, s: int, d: int) -> None:
    line = torch.zeros(80 * s + d * k, dtype=torch.long)
    for i, a in product(range(80), range(k)):
        line[s * i + d * a] += 1
    period = torch.outer(line[40 * s : 41 * s], line[40 * s : 41 * s])
    found = overlap(k, s, d)
    assert found.taps == (tuple(line[40 * s : 41 * s].tolist()),) * 2
    assert found.hole_fraction == pytest.approx((period == 0).double().mean().item())
    assert found.variation == pytest.approx((period.double().std(correction=0) / period.double().mean()).item())
    assert found.even == (gcd(s, d) == 1 and k % s == 0)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3,), (2,), 1), ((2, 3, 3), (1, 2, 2), 1), ((3, 4), (2, 3), (2, 1)), ((1, 4, 2), (2, 2, 2), 1), ((5,), 4, 2)],
)
def test_any_number_of_axes_and_unequal_strides(kernel: tuple, stride: tuple, dilation: tuple) -> None:
    """What a layer of ones makes of ones, far from the border."""
    axes = len(kernel)
    layer = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d][axes - 1]
    ones = layer(1, 1, kernel, stride=stride, dilation=dilation, bias=False)
    nn.init.ones_(ones.weight)
    strides = ones.stride
    y = ones(torch.ones(1, 1, *[12] * axes))[0, 0]
    counts = y[tuple(slice(6 * s, 7 * s) for s in strides)].round().detach()
    found = overlap(kernel, stride, dilation)
    expected = torch.ones(())
    for axis in found.taps:
        expected = expected[..., None] * torch.tensor(axis)
    assert torch.equal(counts, expected)
    assert found.hole_fraction == pytest.approx((counts == 0).double().mean().item())
    assert found.variation == pytest.approx((counts.std(correction=0) / counts.mean()).item(), abs=1e-6)
    assert found.even == (counts.min() == counts.max() and counts.min() > 0)


@pytest.mark.parametrize("settings", [(0, 2), (3, 0), ((3, 3), (2, 2, 2)), ((), ())])
def test_settings_that_are_none(settings: tuple) -> None:
    with pytest.raises(ValueError, match="whole numbers of at least 1, or as many of them as the layer has axes"):
        overlap(*settings)


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


def test_the_docstrings_run() -> None:
    assert doctest.testmod(upsample.algebra.overlap).failed == 0


def test_the_table_of_holes_in_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dilated_deconvolution.md").read_text()
    rows = re.findall(r"^\| (\d) \| (\d+) % \| (\d+) % \| (\d+) % \| (\d+) % \|$", page, re.MULTILINE)
    assert len(rows) == 3
    for stride, *shares in rows:
        for dilation, share in enumerate(shares, 1):
            assert round(100 * overlap(7, int(stride), dilation).hole_fraction) == int(share)
