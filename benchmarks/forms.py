"""Equal forms of the same layer, one of which upsample/ uses: is it the fastest?

All compute what torch's transposed convolution with kernel 4, stride 2 and dilation 3 does, or nearest-neighbour resize
and a 3x3 convolution, up to rounding. Tensors here are in torch's order (N, C, H, W), their memory channels last.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.configuration import autocast, device
from benchmarks.measure import Line, take_turns
from benchmarks.operators import BATCH, dtypes, shapes
from upsample.algebra.fold import fold_kernel
from upsample.algebra.overlap import padding_for
from upsample.operators.forms.transposed import conv_transpose

KERNEL, STRIDE, DILATION = 4, 2, 3
PADDING, _ = padding_for(KERNEL, STRIDE, DILATION)

Form = Callable[[Tensor, Tensor, Tensor], Tensor]


def with_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """torch's own, bias and all."""
    return F.conv_transpose2d(x, weight, bias, STRIDE, PADDING, dilation=DILATION)


def bias_after(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """torch's own without bias, which is added to what it gives."""
    y = F.conv_transpose2d(x, weight, None, STRIDE, PADDING, dilation=DILATION)
    return y.add_(bias.to(y.dtype).view(1, -1, 1, 1))


def lattices(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What upsample/ does: each pass in a form of its own."""
    return conv_transpose(x, weight, bias, STRIDE, PADDING, dilation=DILATION)


def polyphase(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One convolution whose channels are the output's phases, and their interleaving: `upsample.algebra.polyphase`."""
    n, _, height, width = x.shape
    channels, s = weight.shape[1], STRIDE
    taps = [[k for k in reversed(range(KERNEL)) if (DILATION * k - PADDING - phase) % s == 0] for phase in range(s)]
    starts = [(phase + PADDING - DILATION * of[0]) // s for phase, of in enumerate(taps)]
    first, last = min(starts), max(starts) + DILATION * (KERNEL // s - 1)
    index = torch.tensor(taps, device=x.device)
    kernels = weight[:, :, index][:, :, :, :, index].permute(2, 4, 1, 0, 3, 5)  # phase, phase, out, in, tap, tap
    kernels = kernels.reshape(s * s * channels, -1, *kernels.shape[-2:]).contiguous(memory_format=torch.channels_last)
    all_phases = F.conv2d(F.pad(x, (-first, last) * 2), kernels, bias.repeat(s * s), dilation=DILATION)
    parts = all_phases.permute(0, 2, 3, 1).unflatten(3, (s, s, channels))
    down, across = ([slice(at - first, at - first + length) for at in starts] for length in (height, width))
    rows = [torch.stack([parts[:, a, b, i, j] for j, b in enumerate(across)], 3) for i, a in enumerate(down)]
    return torch.stack(rows, 2).reshape(n, s * height, s * width, channels).permute(0, 3, 1, 2)


def space_to_batch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """An undilated transposed convolution of every DILATION-th input pixel, for each way to begin.

    Input pixels i = d*j + r lie, enlarged, at output pixels d*(s*j + k) + s*r - p: of each r on a lattice of its own.
    """
    n, _, height, width = x.shape
    s, d = STRIDE, DILATION
    x = F.pad(x, (0, -width % d, 0, -height % d)).permute(0, 2, 3, 1).unflatten(2, (-1, d)).unflatten(1, (-1, d))
    x = x.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)
    y = F.conv_transpose2d(x, weight, None, s).permute(0, 2, 3, 1).unflatten(0, (d, d, n))
    shifts = [s * r // d for r in range(d)]
    turn = [next(r for r in range(d) if s * r % d == residue) for residue in range(d)]  # whose lattice that is
    room = [(shifts[r], max(shifts) - shifts[r]) for r in turn]
    y = torch.stack([F.pad(y[r], (0, 0, 0, 0, *room[q])) for q, r in enumerate(turn)], 3)
    y = y.flatten(2, 3)[:, :, PADDING : PADDING + s * height]
    y = torch.stack([F.pad(y[r], (0, 0, *room[q])) for q, r in enumerate(turn)], 3)
    y = y.flatten(2, 3)[:, :, PADDING : PADDING + s * width].permute(0, 3, 1, 2)
    return y + bias.to(y.dtype).view(1, -1, 1, 1)


def plain_with_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """torch's own, undilated."""
    return F.conv_transpose2d(x, weight, bias, STRIDE, 1)


def plain_bias_after(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What upsample/ does."""
    return conv_transpose(x, weight, bias, STRIDE, 1)


def enlarged(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Resize, then convolve: what its name says."""
    return F.conv2d(F.interpolate(x, scale_factor=2), weight, bias, padding=1)


def folded(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What upsample/ does."""
    return conv_transpose(x, fold_kernel(weight, 2), bias, 2, 1)


def four_phases(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The folded kernel's four phases as one 2x2 convolution, and their interleaving."""
    n, _, height, width = x.shape
    kernels = fold_kernel(weight, 2).flip(2, 3).unflatten(3, (2, 2)).unflatten(2, (2, 2)).permute(3, 5, 1, 0, 2, 4)
    channels = kernels.shape[2]
    parts = F.conv2d(x, kernels.flatten(0, 2), bias.repeat(4), padding=1).permute(0, 2, 3, 1)
    parts = parts.unflatten(3, (2, 2, channels))
    rows = [torch.stack([parts[:, i : i + height, j : j + width, i, j] for j in (0, 1)], 3) for i in (0, 1)]
    return torch.stack(rows, 2).reshape(n, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


# By layer: the kernel's size, and the equal forms of which the first is the one in use.
LAYERS: dict[str, tuple[int, list[Form]]] = {
    "deconv": (KERNEL, [plain_bias_after, plain_with_bias]),
    "dilated_deconv": (KERNEL, [lattices, bias_after, with_bias, polyphase, space_to_batch]),
    "resize_conv": (3, [folded, enlarged, four_phases]),
}


def work(form: Form, inputs: tuple[Tensor, Tensor, Tensor], gradient: Tensor) -> Callable[[], object]:
    """Forward and backward, as the trainer runs it: weights in float32."""

    def run() -> None:
        for tensor in inputs:
            tensor.grad = None
        with autocast(inputs[0].dtype == torch.bfloat16):
            y = form(*inputs)
        y.backward(gradient)

    return run


def forms(most: float, rounds: int) -> list[Line]:
    """The form in use against the fastest of all, over shapes, channels last."""
    lines = []
    for layer, (kernel, equal) in LAYERS.items():
        for dtype in dtypes():
            behind: list[float] = []
            others: dict[str, list[float]] = {form.__name__: [] for form in equal[1:]}
            for channels, side in shapes(most):
                x = torch.randn(BATCH, channels, side, side, device=device(), dtype=dtype)
                weight = torch.randn(channels, channels, kernel, kernel, device=device()) / channels
                like = torch.channels_last
                inputs = (
                    x.contiguous(memory_format=like).requires_grad_(),
                    weight.contiguous(memory_format=like).requires_grad_(),
                    torch.zeros(channels, device=device()).requires_grad_(),
                )
                gradient = torch.randn(BATCH, channels, 2 * side, 2 * side, device=device(), dtype=dtype)
                gradient = gradient.contiguous(memory_format=like)
                found = [float(np.median(t)) for t in take_turns([work(f, inputs, gradient) for f in equal], rounds)]
                behind.append(found[0] / min(found))
                for times, seconds in zip(others.values(), found[1:], strict=True):
                    times.append(seconds / found[0])
            note = ", ".join(f"{name} takes {np.median(times):.2f} times as long" for name, times in others.items())
            lines.append(Line(f"{layer}, {str(dtype)[6:]}", "fastest equal form", behind, 1.1, False, note))
    return lines
