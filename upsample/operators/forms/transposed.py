"""Transposed convolution as it is fastest."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from upsample.operators.forms.lattices import FUNCTIONS, Axis, Output


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """torch's function for as many axes as x (N, C, *size) has, and its result up to rounding.

    On CPUs its fast kernels are those without bias: adding the bias to what they give makes forward and backward in
    bfloat16, channels last, 1.2 to 2 times faster. A dilated layer goes by its lattices there (`python -m benchmarks
    forms`), but where it is compiled, exported or traced, which want one operation of a known name.
    """
    axes = x.dim() - 2
    dilated = any(d > 1 and s > 1 for d, s in zip(each(dilation, axes), each(stride, axes), strict=True))
    if dilated and groups == 1 and plain_cpu(x) and plain_cpu(weight):
        numbers = (each(value, axes) for value in (stride, dilation, padding, output_padding))
        settings = [Axis(*setting) for setting in zip(weight.shape[2:], *numbers, strict=True)]
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
        y: Tensor = Output.apply(x, weight, settings)
    else:
        y = FUNCTIONS[axes](x, weight, None, stride, padding, output_padding, groups, dilation)
    return y if bias is None else y.add_(bias.to(y.dtype).view(1, -1, *[1] * axes))


def each(value: int | Sequence[int], axes: int) -> Sequence[int]:
    """The value of each axis: a number is that of all."""
    return [value] * axes if isinstance(value, int) else value


def plain_cpu(x: Tensor) -> bool:
    """Whether x holds its numbers in a CPU's memory and nobody records what is done with it."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return (
        x.device.type == "cpu"
        and type(x) in (Tensor, nn.Parameter)
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
    )
