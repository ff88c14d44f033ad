"""Gridding against path counting by autograd, and the patterns that the paper names."""

import doctest

import pytest
import torch
from torch import nn

import upsample.algebra.gridding
from upsample.algebra.gridding import gridding


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1)],
        [(3, 2), (3, 2), (3, 2)],
        [(3, 1), (3, 2), (3, 5)],
        [(5, 3), (3, 4)],
        [(3, 1, 2), (3, 2), (2, 3, 2), (3, 1)],
        [(4, 2), (1, 1), (2, 5)],
    ],
)
def test_counts_are_the_gradient_of_a_stack_of_ones(layers: list) -> None:
    stack = nn.Sequential(
        *(nn.Conv2d(1, 1, k, stride=(s or [1])[0], dilation=d, bias=False) for k, d, *s in layers)
    ).double()
    for conv in stack:
        nn.init.ones_(conv.weight)
    found = gridding(layers)
    x = torch.zeros(1, 1, found.receptive_field, found.receptive_field, dtype=torch.float64, requires_grad=True)
    y = stack(x)
    assert y.shape[2:] == (1, 1)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(found.counts.double(), gradient[0, 0])
    assert found.covered == (gradient > 0).double().mean().item()


def test_the_patterns_of_hybrid_dilated_convolution() -> None:
    """Wang et al. (2018), section 3.2: for kernel 3, dilations 1 2 5 leave no holes and 1 2 9 do; so do 2 2 2."""
    assert gridding([(3, 1), (3, 2), (3, 5)]).covered == 1
    assert gridding([(3, 1), (3, 2), (3, 9)]).covered < 1
    assert gridding([(3, 2), (3, 2), (3, 2)]).covered == (7 / 13) ** 2


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        gridding([])
    with pytest.raises(ValueError, match="at least 1"):
        gridding([(3, 0)])


def test_the_docstring_runs() -> None:
    assert doctest.testmod(upsample.algebra.gridding).failed == 0
