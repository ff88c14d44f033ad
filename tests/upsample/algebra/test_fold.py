"""Nearest resize and convolution are one transposed convolution."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upsample
from upsample.algebra.fold import fold, fold_kernel


def relative_error(value: torch.Tensor, reference: torch.Tensor) -> float:
    return ((value - reference).abs().max() / reference.abs().max()).item()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_output_and_gradients_equal_resize_then_convolution(kernel_size: int, scale: int) -> None:
    torch.manual_seed(0)
    layer = upsample.build("resize_conv", 5, 3, scale, kernel_size=kernel_size)
    parameters = list(layer.parameters())
    for size in ((1, 1), (1, 4), (6, 5)):
        x = torch.randn(2, 5, *size, requires_grad=True)
        y = layer(x)
        reference = F.conv2d(F.interpolate(x, scale_factor=scale), *parameters, padding=kernel_size // 2)
        assert relative_error(y, reference) <= 1e-6
        gradient = torch.randn_like(y)
        found = torch.autograd.grad(y, (x, *parameters), gradient)
        expected = torch.autograd.grad(reference, (x, *parameters), gradient)
        for one, other in zip(found, expected, strict=True):
            assert relative_error(one, other) <= 1e-6


def test_kernel_three_at_scale_two_is_k4_s2_p1() -> None:
    conv = nn.Conv2d(5, 3, 3, padding=1)
    folded = fold(conv, 2)
    assert (folded.kernel_size, folded.stride, folded.padding) == ((4, 4), (2, 2), (1, 1))
    x = torch.randn(2, 5, 4, 6)
    assert relative_error(folded(x), conv(F.interpolate(x, scale_factor=2))) <= 1e-6


def test_taps_of_one_axis_by_hand() -> None:
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1] = torch.tensor([1.0, 10.0, 100.0])
    assert fold_kernel(kernel, 2)[0, 0, 1].tolist() == [100, 110, 11, 1]


def test_state_dict_is_that_of_the_convolution() -> None:
    layer = upsample.build("resize_conv", 5, 3, 2)
    shapes = {key: tuple(tensor.shape) for key, tensor in layer.state_dict().items()}
    assert shapes == {"conv.weight": (3, 5, 3, 3), "conv.bias": (3,)}


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 2, padding=1),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, (1, 3), padding=(0, 1)),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_other_convolutions_are_refused(conv: Any) -> None:
    with pytest.raises(ValueError, match="folds with a resize"):
        fold(conv, 2)
