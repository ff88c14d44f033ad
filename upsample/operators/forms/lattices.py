"""A dilated transposed convolution whose every pass takes its fastest form.

Tap k of input pixel i lands on output pixel s*i + d*k - p. With g = gcd(s, d), u = s/g and e = d/g, the taps a, a + u,
a + 2u, ... land s*e output pixels apart. So all they make lies on one lattice, the output pixels s*q + d*a - p, and

    z_a[q] = sum over j of weight[a + u*j] x[q - e*j]

is a transposed convolution of stride 1 and dilation e. Those of all u lattices of an axis read the same pixels: they
are one layer of u times as many channels, whose outputs are then written where they belong. On CPUs this is faster
than torch's own layer in the forward pass and in the gradient to the weight; the gradient to the input is one strided
convolution, which is fast already (`python -m benchmarks forms`).

The layer is linear in its input x and in its weight w. With a gradient g of the output, sum(g * layer(x, w)) is linear
in all three, and its derivative by one of them is a function of the other two: `Output`, `ToInput` and `ToWeight`
below, each differentiated by the other two, as often as is asked for.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.algebra.polyphase import CONVOLVE

FORMAT = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}
FUNCTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
AT_A_TIME = 2**22  # numbers of z: more no longer fit a cache, and memory that is new each time is slow to write


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
    """The output pixels of one axis that the taps a, a + u, a + 2u, ... make."""

    number: int  # a
    pixels: slice  # of the output
    rows: slice  # of z, which hold them


class Lattices(NamedTuple):
    """All lattices of one axis, as one layer of stride 1."""

    phases: int  # u: as many lattices, empty ones among them
    taps: int  # of each, zeros among them where u does not divide the kernel's
    step: int  # e, input pixels
    crop: int  # rows at both ends of z that no output pixel needs
    length: int  # of z: its rows
    each: list[Lattice]  # those that hold an output pixel


def lattices(axis: Axis, n: int) -> Lattices:
    """The lattices of one axis for n input pixels."""
    s, d = axis.stride, axis.dilation
    phases, step = s // gcd(s, d), d // gcd(s, d)
    taps = -(-axis.kernel // phases)
    length, size = n + step * (taps - 1), axis.size(n)
    spans = []  # a, where q = 0 lands, and from which q to which
    for a in range(phases):
        zero = d * a - axis.padding
        first, stop = max(0, -(zero // s)), min(length, (size - 1 - zero) // s + 1)
        if first < stop:
            spans.append((a, zero, first, stop))
    crop = min((min(first, length - stop) for _, _, first, stop in spans), default=0)
    each = [
        Lattice(a, slice(s * first + zero, s * (stop - 1) + zero + 1, s), slice(first - crop, stop - crop))
        for a, zero, first, stop in spans
    ]
    return Lattices(phases, taps, step, crop, length - 2 * crop, each)


def empty(like: Tensor, *shape: int) -> Tensor:
    """A tensor (N, C, *size) without values, channels last, of the type of `like`."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=FORMAT[len(shape) - 2])


def whole(weight: Tensor, of: Sequence[Lattices]) -> Tensor:
    """weight (in, out, *kernel), of whole lattices, as a view (in, out, taps, lattices, taps, lattices, ...)."""
    return weight.view(*weight.shape[:2], *(n for axis in of for n in (axis.taps, axis.phases)))


def split(kernel: Tensor, of: Sequence[Lattices]) -> Tensor:
    """The kernel (in, lattices * out, *taps) of stride 1 as a view like that of `whole`."""
    axes = len(of)
    order = [i for a in range(axes) for i in (axes + 2 + a, 1 + a)]
    return kernel.unflatten(1, (*(axis.phases for axis in of), -1)).permute(0, axes + 1, *order)


def places(y: Tensor, z: Tensor, of: Sequence[Lattices]) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each lattice its pixels in y (N, out, *size) and in z (N, lattices * out, *length), as views."""
    parts = z.unflatten(1, (*(axis.phases for axis in of), -1))
    for lattice in product(*(axis.each for axis in of)):
        numbers, pixels, rows = zip(*lattice, strict=True)
        yield y[:, :, *pixels], parts[:, *numbers][:, :, *rows]


def kernels(weight: Tensor, of: Sequence[Lattices]) -> Tensor:
    """The kernel (in, lattices * out, *taps) of stride 1; weight (in, out, *kernel)."""
    missing = [axis.taps * axis.phases - k for axis, k in zip(of, weight.shape[2:], strict=True)]
    if any(missing):
        weight = F.pad(weight, [zeros for more in reversed(missing) for zeros in (0, more)])
    channels = weight.shape[1] * prod(axis.phases for axis in of)
    kernel = empty(weight, len(weight), channels, *(axis.taps for axis in of))
    split(kernel, of).copy_(whole(weight, of))
    return kernel


def few(images: Tensor, of: Sequence[Lattices], channels: int) -> Sequence[Tensor]:
    """images (N, C, *size) in parts, so few in each that their z, of so many channels, is not large."""
    return images.split(max(1, AT_A_TIME // (channels * prod(axis.length for axis in of))))


def output(x: Tensor, weight: Tensor, axes: Sequence[Axis]) -> Tensor:
    """What torch's transposed convolution of x (N, in, *size) with weight (in, out, *kernel) gives, to rounding."""
    of = [lattices(axis, n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    size = [axis.size(n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    y = empty(x, len(x), weight.shape[1], *size)
    if any(sum(len(range(n)[at.pixels]) for at in axis.each) < n for axis, n in zip(of, size, strict=True)):
        y.zero_()  # no tap lands on some pixels: holes
    kernel = kernels(weight, of)
    crop, step = [axis.crop for axis in of], [axis.step for axis in of]
    for some, their in zip(*(few(images, of, kernel.shape[1]) for images in (x, y)), strict=True):
        for pixels, made in places(their, FUNCTIONS[len(of)](some, kernel, None, 1, crop, 0, 1, step), of):
            pixels.copy_(made)
    return y


def to_weight(x: Tensor, gradient: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The gradient to the weight (in, out, *kernel) of a gradient (N, out, *size) of the output."""
    of, none = [lattices(axis, n) for axis, n in zip(axes, x.shape[2:], strict=True)], [0] * len(axes)
    channels = gradient.shape[1] * prod(axis.phases for axis in of)
    shape = empty(x, x.shape[1], channels, *(axis.taps for axis in of))  # of which torch asks no more
    crop, step = [axis.crop for axis in of], [axis.step for axis in of]
    parts: list[Tensor] = []
    for some, their in zip(*(few(images, of, channels) for images in (x, gradient)), strict=True):
        z = empty(x, len(some), channels, *(axis.length for axis in of)).zero_()
        for pixels, made in places(their, z, of):
            made.copy_(pixels)
        parts.append(
            torch.ops.aten.convolution_backward(
                z, some, shape, None, [1] * len(of), crop, step, True, none, 1, [False, True, False]
            )[1]
        )
    wide = torch.promote_types(x.dtype, torch.float32)
    kernel = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0, dtype=wide)
    weight = empty(x, x.shape[1], gradient.shape[1], *(axis.taps * axis.phases for axis in of))
    whole(weight, of).copy_(split(kernel, of))
    return weight[:, :, *(slice(axis.kernel) for axis in axes)]


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
