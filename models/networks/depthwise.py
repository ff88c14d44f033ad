"""Depthwise convolutions whose gradients take a fast form in bfloat16 on CPUs, where EfficientNets spend their steps.

Of torch's (oneDNN's) own gradients two are slow, up to tens of times as slow as the forward pass: those to the input of
a strided layer, and those to kernels above 3x3. Both can be had from fast ones. The first is the gradient to the input
of a layer of stride 1, whose output's gradient is zero between the strides; the second consists of gradients to 3x3
kernels, each of some of the taps and of the pixels that these see.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BACKWARD = torch.ops.aten.convolution_backward
FAST = 3  # the largest kernel whose gradient torch has in a fast form


def blocks(kernel: int, stride: int) -> Iterator[slice]:
    """Slices that cover the taps of one axis, each of at most FAST taps a stride apart; they may overlap."""
    for first in range(min(stride, kernel)):
        taps = range(first, kernel, stride)
        starts = [*range(0, len(taps) - FAST, FAST), max(0, len(taps) - FAST)]
        for some in (taps[start : start + FAST] for start in starts):
            yield slice(some[0], some[-1] + 1, stride)


def to_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: list[int], padding: list[int]) -> Tensor:
    """The gradient to x (N, C, H, W) of a gradient (N, C, H', W') of the output; weight (C, 1, *kernel)."""
    size = [n + 2 * p - k + 1 for n, p, k in zip(x.shape[2:], padding, weight.shape[2:], strict=True)]
    if max(stride) > 1:
        dense = gradient.new_zeros(*x.shape[:2], *size).contiguous(memory_format=torch.channels_last)
        dense[:, :, :: stride[0], :: stride[1]] = gradient
        gradient = dense
    return BACKWARD(
        gradient, x, weight, None, [1, 1], padding, [1, 1], False, [0, 0], len(weight), [True, False, False]
    )[0]


def to_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: list[int], padding: list[int]) -> Tensor:
    """The gradient to the weight (C, 1, *kernel) of a gradient (N, C, H', W') of the output."""
    if max(weight.shape[2:]) <= FAST:
        return BACKWARD(
            gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], len(weight), [False, True, False]
        )[1]
    x = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    result = torch.empty_like(weight)
    for taps in product(*(blocks(k, s) for k, s in zip(weight.shape[2:], stride, strict=True))):
        part = weight[:, :, *taps]
        seen = [
            slice(at.start, None if n is None else at.start + s * (n + k - 2) + 1, s)
            for at, s, n, k in zip(taps, stride, gradient.shape[2:], part.shape[2:], strict=True)
        ]
        result[:, :, *taps] = BACKWARD(
            gradient,
            x[:, :, *seen],
            part,
            None,
            [1, 1],
            [0, 0],
            [1, 1],
            False,
            [0, 0],
            len(weight),
            [False, True, False],
        )[1]
    return result


class Gradients(torch.autograd.Function):
    """A depthwise convolution with the gradients above; a gradient of its gradients takes torch's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: list[int], padding: list[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.geometry
        wanted = ctx.needs_input_grad
        if torch.is_grad_enabled():  # create_graph=True
            groups, mask = len(weight), [*wanted[:2], False]
            to_x, to_w, _ = BACKWARD(gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], groups, mask)
            return to_x, to_w, None, None
        return (
            to_input(gradient, x, weight, stride, padding) if wanted[0] else None,
            to_weight(gradient, x, weight, stride, padding) if wanted[1] else None,
            None,
            None,
        )


class Depthwise(nn.Conv2d):
    """The convolution `like`, with its own parameters and the gradients above.

    Its values, its names in a state dict and, outside of training in bfloat16 on a CPU, its every operation are those
    of `like`.

    pad  pads x by kernel, stride and dilation first, as timm's `pad_same` does like TensorFlow; None: as `like` pads
    """

    def __init__(self, like: nn.Conv2d, pad: Callable[..., Tensor] | None = None) -> None:
        channels, bias = like.in_channels, like.bias is not None
        kernel, stride, padding = map(_pair, (like.kernel_size, like.stride, like.padding))
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=bias, device="meta")
        self.weight, self.bias, self.pad = like.weight, like.bias, pad

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, C, H', W')."""
        if self.pad is not None:
            x = self.pad(x, [*self.kernel_size], [*self.stride], [*self.dilation])
        padding = [*_pair(self.padding)]
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        trained = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if x.device.type != "cpu" or dtype != torch.bfloat16 or not trained:
            return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        y = Gradients.apply(x.to(dtype), self.weight.to(dtype), [*self.stride], padding)
        return y if self.bias is None else y + self.bias.to(dtype).view(-1, 1, 1)


def _pair(value: Any) -> tuple[int, int]:
    """What torch says is a tuple of any length, or a string."""
    rows, columns = value
    return rows, columns


def with_fast_gradients(network: nn.Module) -> None:
    """Put a `Depthwise` in the place of every depthwise convolution of `network`, timm's or torch's own, that it can
    stand for."""
    from timm.layers import Conv2dSame, pad_same  # here, not above: an optional extra, which whoever calls this has

    for name, module in list(network.named_modules()):
        if (
            type(module) in (nn.Conv2d, Conv2dSame)
            and 1 < module.groups == module.in_channels == module.out_channels
            and module.dilation == (1, 1)
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
            and all(p < k for p, k in zip(module.padding, module.kernel_size, strict=True))
        ):
            network.set_submodule(name, Depthwise(module, pad_same if isinstance(module, Conv2dSame) else None))
