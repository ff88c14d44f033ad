"""The dilated layer by lattices: torch's own layer is the oracle, of values and of every derivative."""

import pytest
import torch
from torch import Tensor

from upsample.operators.forms import lattices
from upsample.operators.forms.lattices import FUNCTIONS, Axis, Output

# (kernel, stride, dilation, padding, output padding) of each axis, and the input's size.
CASES = {
    "default": ([(4, 2, 3, 4, 0)] * 2, (5, 7)),
    "one pixel": ([(4, 2, 3, 4, 0)] * 2, (1, 1)),
    "one row": ([(4, 2, 3, 4, 0)] * 2, (1, 5)),
    "thread's example": ([(3, 2, 2, 2, 1)] * 2, (4, 5)),  # lattices without a tap: holes
    "undilated": ([(4, 2, 1, 1, 0)] * 2, (4, 3)),
    "odd": ([(5, 3, 2, 3, 0)] * 2, (4, 5)),
    "stride larger than the kernel": ([(2, 4, 3, 0, 1)] * 2, (3, 3)),
    "no stride": ([(3, 1, 2, 2, 0)] * 2, (6, 5)),
    "unequal axes": ([(4, 2, 3, 4, 0), (1, 1, 1, 0, 0)], (5, 6)),
    "taps that no output pixel holds": ([(4, 2, 3, 9, 1)] * 2, (6, 5)),
    "output padding beyond the taps": ([(2, 3, 1, 0, 2)] * 2, (3, 4)),
    "no padding": ([(3, 2, 3, 0, 1)] * 2, (4, 4)),
    "much padding": ([(4, 2, 3, 9, 0)] * 2, (9, 9)),
    "one axis": ([(4, 2, 3, 4, 0)], (9,)),
    "three axes": ([(4, 2, 3, 4, 0), (3, 2, 2, 2, 1), (4, 2, 3, 4, 0)], (3, 2, 4)),
}


def layer(case: str, dtype: torch.dtype = torch.float64) -> tuple[list[Axis], Tensor, Tensor]:
    """The axes, an input (2, 3, *size) and a weight (3, 2, *kernel) of a case."""
    settings, size = CASES[case]
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=random, dtype=torch.float64).to(dtype)
    weight = torch.randn(3, 2, *(kernel for kernel, *_ in settings), generator=random, dtype=torch.float64).to(dtype)
    return [Axis(*setting) for setting in settings], x.requires_grad_(), weight.requires_grad_()


def native(x: Tensor, weight: Tensor, axes: list[Axis]) -> Tensor:
    stride, dilation, padding, more = (
        [getattr(axis, name) for axis in axes] for name in ("stride", "dilation", "padding", "output_padding")
    )
    return FUNCTIONS[len(axes)](x, weight, None, stride, padding, more, 1, dilation)


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_torchs_layer(case: str) -> None:
    axes, x, weight = layer(case)
    expected = native(x, weight, axes)
    found = Output.apply(x, weight, axes)
    assert torch.allclose(found, expected, atol=1e-12)
    gradient = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, [x, weight], gradient),
        torch.autograd.grad(expected, [x, weight], gradient),
        strict=True,
    ):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, atol=1e-11)


def test_images_one_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    axes, x, weight = layer("default")
    whole = Output.apply(x, weight, axes)
    gradient = torch.randn_like(whole)
    expected = torch.autograd.grad(whole, [x, weight], gradient)
    monkeypatch.setattr(lattices, "AT_A_TIME", 1)
    parts = Output.apply(x, weight, axes)
    assert torch.allclose(parts, whole, atol=1e-12)
    for found, same in zip(torch.autograd.grad(parts, [x, weight], gradient), expected, strict=True):
        assert torch.allclose(found, same, atol=1e-11)


@pytest.mark.parametrize("case", ["default", "thread's example", "unequal axes", "one axis"])
def test_first_and_second_derivatives_are_those_of_differences(case: str) -> None:
    axes, x, weight = layer(case)
    assert torch.autograd.gradcheck(lambda x, w: Output.apply(x, w, axes), (x, weight))
    assert torch.autograd.gradgradcheck(lambda x, w: Output.apply(x, w, axes), (x, weight))


@pytest.mark.parametrize("frozen", [0, 1])
def test_what_needs_no_gradient_gets_none(frozen: int) -> None:
    axes, *inputs = layer("default")
    inputs[frozen].requires_grad_(False)
    Output.apply(*inputs, axes).sum().backward()
    assert inputs[frozen].grad is None
    assert inputs[1 - frozen].grad is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_lower_precisions_differ_by_rounding(dtype: torch.dtype) -> None:
    axes, x, weight = layer("default", dtype)
    expected = native(x.double(), weight.double(), axes)
    assert (Output.apply(x, weight, axes).double() - expected).abs().max() < 8 * torch.finfo(dtype).eps * 10


def test_a_row_of_pixels_in_bfloat16_is_survived() -> None:
    """torch 2.15's own gradient ends the process there on CPUs with AMX."""
    axes, x, weight = [Axis(4, 2, 3, 4, 0)] * 2, torch.randn(2, 4, 1, 5), torch.randn(4, 4, 4, 4)
    x, weight = (tensor.bfloat16().requires_grad_() for tensor in (x, weight))
    gradient = torch.autograd.grad(Output.apply(x, weight, axes).float().sum(), x)[0]
    y = FUNCTIONS[2](x.float(), weight.float(), None, 2, 4, 0, 1, 3)
    assert torch.allclose(gradient.float(), torch.autograd.grad(y.sum(), x)[0].float(), atol=0.1)
