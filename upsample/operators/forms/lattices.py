"""A dilated transposed convolution whose every pass takes its fastest form.

Tap k of input pixel i lands on output pixel s*i + d*k - p: always on the same of the prod(stride) lattices that every
s-th output pixel makes. So each lattice is an ordinary convolution of the input, with the taps that land on it. On CPUs
these are faster than torch's own layer in the forward pass and in the gradient to the weight; the gradient to the input
is one strided convolution, which is fast already (`python -m benchmarks forms`).

The layer is linear in its input x and in its weight w. With a gradient g of the output, sum(g * layer(x, w)) is linear
in all three, and its derivative by one of them is a function of the other two: `Output`, `ToInput` and `ToWeight`
below, each differentiated by the other two, as often as is asked for.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.algebra.polyphase import CONVOLVE

FORMAT = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class Axis(NamedTuple):
    """One axis of the layer."""

    kernel: int
    stride: int
    dilation: int
    padding: int
    output_padding: int

    def size(self, n: int) -> int:
        """The output pixels of n input pixels."""
        return (n - 1) * self.stride - 2 * self.padding + self.dilation * (self.kernel - 1) + self.output_padding + 1


class Lattice(NamedTuple):
    """Every stride-th output pixel of one axis, from the first on: a convolution with some of the taps."""

    first: int  # its first output pixel
    rows: int  # its output pixels
    taps: list[int]  # of the kernel, in the order in which the convolution meets them
    start: int  # the input pixel under the first tap, for the first output pixel
    step: int  # input pixels from tap to tap

    @property
    def stop(self) -> int:
        """The input pixel behind the last that it reads."""
        return self.start + self.rows + self.step * (len(self.taps) - 1)


def lattices(axis: Axis, n: int) -> list[Lattice]:
    """The lattices of one axis for n input pixels, without those that hold no output pixel or meet no tap."""
    found = []
    for first in range(min(axis.stride, axis.size(n))):
        taps = [
            k for k in reversed(range(axis.kernel)) if (axis.dilation * k - axis.padding - first) % axis.stride == 0
        ]
        if taps:
            start = (first + axis.padding - axis.dilation * taps[0]) // axis.stride
            step = axis.dilation * (taps[0] - taps[1]) // axis.stride if len(taps) > 1 else 1
            found.append(Lattice(first, len(range(first, axis.size(n), axis.stride)), taps, start, step))
    return found


class Padded(NamedTuple):
    """The input with all that any lattice reads around it."""

    x: Tensor
    before: list[int]  # pixels by which each axis was extended, or cropped where negative

    def window(self, places: Sequence[Lattice]) -> Tensor:
        """What the convolution of these lattices, one an axis, reads."""
        return self.x[:, :, *(slice(p.start + b, p.stop + b) for p, b in zip(places, self.before, strict=True))]


def padded(x: Tensor, places: Sequence[Sequence[Lattice]]) -> Padded:
    """x (N, C, *size) with zeros around it for the lattices of each axis."""
    before: list[int] = []
    pads: list[int] = []
    for axis, n in zip(places, x.shape[2:], strict=True):
        low, high = -min(p.start for p in axis), max(p.stop for p in axis) - n
        before.append(low)
        pads = [low, high, *pads]
    return Padded(F.pad(x, pads).contiguous(memory_format=FORMAT[len(places)]), before)


def kernel(weight: Tensor, places: Sequence[Lattice]) -> Tensor:
    """The taps (out, in, *taps) of the convolution behind these lattices; weight (in, out, *kernel)."""
    for dim, place in enumerate(places, 2):
        weight = weight.index_select(dim, torch.tensor(place.taps, device=weight.device))
    return weight.transpose(0, 1).contiguous(memory_format=FORMAT[len(places)])


def on(y: Tensor, places: Sequence[Lattice], axes: Sequence[Axis]) -> Tensor:
    """The pixels of y (N, C, *size) on these lattices, as a view."""
    return y[:, :, *(slice(p.first, None, a.stride) for p, a in zip(places, axes, strict=True))]


def output(x: Tensor, weight: Tensor, axes: Sequence[Axis]) -> Tensor:
    """What torch's transposed convolution of x (N, in, *size) with weight (in, out, *kernel) gives, to rounding."""
    places = [lattices(axis, n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    size = [axis.size(n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    memory = FORMAT[len(axes)]
    y = torch.empty(len(x), weight.shape[1], *size, dtype=x.dtype, device=x.device, memory_format=memory)
    if any(len(of) < axis.stride for of, axis in zip(places, axes, strict=True)):
        y.zero_()  # no tap lands on some lattice: holes
    around = padded(x, places)
    for of in product(*places):
        step = [place.step for place in of]
        on(y, of, axes).copy_(CONVOLVE[len(axes)](around.window(of), kernel(weight, of), dilation=step))
    return y


def to_weight(x: Tensor, gradient: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The gradient to the weight (in, out, *kernel) of a gradient (N, out, *size) of the output."""
    places = [lattices(axis, n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    found = x.new_zeros(x.shape[1], gradient.shape[1], *(axis.kernel for axis in axes))
    around, count = padded(x, places), len(axes)

    def taps(of: Sequence[Lattice]) -> Tensor:  # of which torch asks the shape alone
        shape = (gradient.shape[1], x.shape[1], *(len(place.taps) for place in of))
        return x.new_empty(shape).contiguous(memory_format=FORMAT[count])

    for of in product(*places):
        part = torch.ops.aten.convolution_backward(
            on(gradient, of, axes).contiguous(memory_format=FORMAT[count]), around.window(of), taps(of), None,
            [1] * count, [0] * count, [place.step for place in of], False, [0] * count, 1, [False, True, False],
        )[1]  # fmt: skip
        at: Any = np.ix_(*(place.taps for place in of))
        found[:, :, *at] = part.transpose(0, 1)
    return found


def to_input(gradient: Tensor, weight: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The gradient to the input (N, in, *size) of a gradient (N, out, *size) of the output."""
    stride, dilation, padding = ([getattr(a, name) for a in axes] for name in ("stride", "dilation", "padding"))
    if gradient.dtype == torch.bfloat16 and gradient.shape[2] <= stride[0]:
        # torch 2.15's kernel for AMX ends the process where the input is one row of five pixels and more.
        return to_input(gradient.float(), weight.float(), axes).bfloat16()
    return CONVOLVE[len(axes)](gradient, weight, None, stride, padding, dilation)


class Output(torch.autograd.Function):
    """The layer: `output`, differentiable as often as is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, axes: Sequence[Axis]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.axes = axes
        return output(x, weight, axes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        return (
            ToInput.apply(gradient, weight, ctx.axes) if ctx.needs_input_grad[0] else None,
            ToWeight.apply(x, gradient, ctx.axes) if ctx.needs_input_grad[1] else None,
            None,
        )


class ToInput(torch.autograd.Function):
    """`to_input`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, axes: Sequence[Axis]) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.axes = axes
        return to_input(gradient, weight, axes)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        gradient, weight = ctx.saved_tensors
        return (
            Output.apply(x, weight, ctx.axes) if ctx.needs_input_grad[0] else None,
            ToWeight.apply(x, gradient, ctx.axes) if ctx.needs_input_grad[1] else None,
            None,
        )


class ToWeight(torch.autograd.Function):
    """`to_weight`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, axes: Sequence[Axis]) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.axes = axes
        return to_weight(x, gradient, axes)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, gradient = ctx.saved_tensors
        return (
            ToInput.apply(gradient, weight, ctx.axes) if ctx.needs_input_grad[0] else None,
            Output.apply(x, weight, ctx.axes) if ctx.needs_input_grad[1] else None,
            None,
        )
