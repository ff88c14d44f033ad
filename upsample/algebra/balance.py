"""Weights with which a layer answers constants with constants, or ramps with ramps, during training and after.

Let tap t of a layer land a_t output pixels from the block of the input pixel that it weighs (d*k - p for
tap k of a transposed convolution), and let phase r be the output pixels r mod s. On the input x(u), a
polynomial of the place, output pixel o of phase r is sum_t w_t x((o - a_t)/s) over the taps of its phase:

    x = 1    y = sum_t w_t                                     so equal sums over the phases answer a constant
    x = u    y = (o * sum_t w_t  -  sum_t w_t a_t) / s         by a constant; equal sums and equal first moments
                                                               sum_t w_t a_t answer a ramp by a ramp.

In general the polynomials of degree below n come out as polynomials of the same leading term exactly where
the phases agree on all moments of degree below n, that is, where the kernel's Fourier transform has zeros of
order n at all multiples of 1/s but 0: Strang & Fix, "A Fourier analysis of the finite element variational
method" (1971); n is the accuracy of the approximation, and of a wavelet's low-pass (Strang & Nguyen 1996,
chapter 7). So order 1 prints nothing on flat areas, order 2 nothing on shading either, and the content-locked
error on what is smooth falls with the square of the input's step instead of the step. Along one axis order n
needs n*(s-1) + 1 taps: those of a box of width s convolved n times with itself (3 for order 2 at scale 2).

The weights are projected: of all weights that keep the condition the nearest ones act. The parameters stay
free and the optimiser never sees the constraint. The stored parameter moves to `parametrizations.weight.original`;
call `torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")` to bake the projection in.
"""

from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from upsample.algebra.polyphase import Convolution, Transposed

WHAT = {1: "constants", 2: "constants and linear ramps"}


def conditions(phase: Tensor, place: Tensor, order: int) -> Tensor:
    """Orthonormal rows (m, taps) float64: the taps w of a kernel keep the condition of `order` where rows @ w = 0.

    phase (taps,) int64: the output phase that each tap serves, from 0, none without a tap unless it is a hole
    place (taps, axes) float64: where it lands, in output pixels
    Where some phase has no tap, the only such kernels answer constants with 0.
    """
    centred = place - place.mean(0)
    moments = torch.stack([torch.ones_like(centred[:, 0]), *(centred.T if order == 2 else ())])  # (moments, taps)
    members = phase == torch.arange(int(phase.max()) + 1)[:, None]  # (phases, taps)
    of_phase = members[:, None] * moments  # (phases, moments, taps)
    rows = (of_phase - of_phase.mean(0)).flatten(0, 1)
    _, sizes, basis = torch.linalg.svd(rows, full_matrices=False)
    return basis[sizes > 1e-9 * sizes[0]]


class Balanced(nn.Module):
    """Projects weights onto those that keep the `conditions`, for torch.nn.utils.parametrize.

    rows     of `conditions`
    kernels  which slices of the weight's first axis are parts of one kernel, (kernels, phases) int64: of a shuffle's
             convolution (out*phases, in, *kernel) and of its bias (out*phases,). None: each slice is one, as of a
             transposed convolution (in, out, *kernel)
    """

    rows: Tensor  # (conditions, taps)

    def __init__(self, rows: Tensor, kernels: Tensor | None = None) -> None:
        super().__init__()
        self.phases = 1 if kernels is None else kernels.shape[1]
        self.register_buffer("rows", rows, persistent=False)
        # PixelShuffle's parts lie next to each other; others are brought there and back.
        order = None if kernels is None else kernels.flatten()
        self.moves = order is not None and not torch.equal(order, torch.arange(len(order)))
        self.there: Tensor
        self.register_buffer("there", order if self.moves else None, persistent=False)
        self.back: Tensor
        self.register_buffer("back", order.argsort() if order is not None and self.moves else None, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Balanced":
        exact = self.rows
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.rows = exact.to(self.rows.device)  # float64 wherever the layer goes: bfloat16 rows would balance nothing
        return self

    def forward(self, weight: Tensor) -> Tensor:
        """The nearest weight that keeps the conditions, of weight's shape and dtype."""
        arranged = weight[self.there] if self.moves else weight
        channels = weight.shape[1] if weight.dim() > 1 else 1
        taps = arranged.reshape(-1, self.phases, channels, self.rows.shape[1] // self.phases).transpose(1, 2).flatten(2)
        # In float64, which neither autocast nor TensorFloat-32 rounds: 1e-3 of a sum would print at -60 dB.
        exact = taps.double()
        nearest = (exact - (exact @ self.rows.T) @ self.rows).to(weight.dtype)
        nearest = nearest.unflatten(2, (self.phases, -1)).transpose(1, 2).reshape(weight.shape)
        return nearest[self.back] if self.moves else nearest

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What assigning to the layer's weight stores: the projection is taken when it is read."""
        return weight


def balanced_transposed(conv: Transposed, order: int = 1) -> Balanced:
    """The projection of a transposed convolution's weight onto the conditions of `order`.

    Raises ValueError where no kernel of this size keeps them and answers a constant with more than 0.
    """
    padding = [int(p) for p in conv.padding]
    axes = zip(conv.kernel_size, conv.dilation, padding, strict=True)
    places = torch.tensor([*product(*([d * t - p for t in range(k)] for k, d, p in axes))])
    phase, stride = _index(places, conv.stride), "x".join(map(str, dict.fromkeys(conv.stride)))
    if len(phase.unique()) < prod(conv.stride):
        raise ValueError(
            f"balanced needs a kernel without holes, but kernel_size={_short(conv.kernel_size)}, dilation="
            f"{_short(conv.dilation)} at stride {stride} reaches only some output phases; use kernel_size >= {stride} "
            "with a dilation that shares no factor with the stride, or balanced=false"
        )
    least = [order * (s - 1) + 1 for s in conv.stride]
    if any(k < n for k, n in zip(conv.kernel_size, least, strict=True)):
        raise ValueError(
            f"balanced={order} needs kernel_size >= {_short(least)} at stride {stride}, not "
            f"{_short(conv.kernel_size)}: a shorter kernel that answers {WHAT[order]} alike in all phases is all zeros"
        )
    return Balanced(conditions(phase, places.double(), order))


def balanced_shuffle(conv: Convolution | nn.Linear, dealt: Tensor, order: int = 1) -> tuple[Balanced, Balanced]:
    """The projections of the weight and of the bias of what is dealt out to pixels; the bias is tied.

    dealt (out, *scale) int64: which channel becomes which, see `upsample.algebra.polyphase.shuffled`.
    Raises ValueError where no kernel of this size keeps the conditions of `order` and is more than a constant.
    """
    scale, axes = dealt.shape[1:], dealt.dim() - 1
    if isinstance(conv, nn.Linear):
        kernel, dilation, padding = [1] * axes, [1] * axes, [0] * axes
    else:
        reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        words = {"same": [n // 2 for n in reach], "valid": [0] * axes}
        kernel, dilation = [*conv.kernel_size], [*conv.dilation]
        padding = words[conv.padding] if isinstance(conv.padding, str) else [int(p) for p in conv.padding]
    if order == 2 and any(k < 2 for k, s in zip(kernel, scale, strict=True) if s > 1):
        raise ValueError("balanced=2 needs kernel_size >= 2: one tap per phase cannot follow a ramp, at any scale")
    taps = [[s * (p - d * t) for t in range(k)] for s, k, d, p in zip(scale, kernel, dilation, padding, strict=True)]
    blocks = [*product(*map(range, scale))]
    places = torch.tensor(
        [[r + a for r, a in zip(block, tap, strict=True)] for block in blocks for tap in product(*taps)]
    )
    kernels = dealt.flatten(1)
    tied = conditions(torch.arange(len(blocks)), torch.zeros(len(blocks), 1, dtype=torch.float64), 1)
    return Balanced(conditions(_index(places, scale), places.double(), order), kernels), Balanced(tied, kernels)


def balance_transposed(conv: Transposed, order: int = 1) -> None:
    """Keep the conditions of `order` in a transposed convolution from now on. Raises as `balanced_transposed`."""
    with torch.device("cpu"):  # numbers are needed, also where the layer is built on meta, without any
        projection = balanced_transposed(conv, order)
    parametrize.register_parametrization(conv, "weight", projection.to(conv.weight.device))


def balance_shuffle(conv: Convolution, scale: int, order: int = 1) -> None:
    """Keep the conditions of `order`, and a tied bias, in a convolution that a pixel shuffle by `scale` follows.

    Raises as `balanced_shuffle`.
    """
    axes = len(conv.kernel_size)
    with torch.device("cpu"):  # as above
        dealt = torch.arange(conv.out_channels).view(-1, *[scale] * axes)
        weight, bias = balanced_shuffle(conv, dealt, order)
    parametrize.register_parametrization(conv, "weight", weight.to(conv.weight.device))
    if conv.bias is not None:
        parametrize.register_parametrization(conv, "bias", bias.to(conv.weight.device))


def _index(places: Tensor, stride: Sequence[int]) -> Tensor:
    """(taps, axes) landing places -> (taps,) the number of the phase that each serves, row by row."""
    number = torch.zeros(len(places), dtype=torch.long)
    for a, s in enumerate(stride):
        number = number * s + places[:, a] % s
    return number


def _short(values: Sequence[int]) -> str:
    return "x".join(map(str, dict.fromkeys(values) if len(set(values)) == 1 else values))
