"""Exact algebra of upsampling layers, phase by phase.

Input pixel i and tap k of a transposed convolution meet at output pixel s*i + d*k - p, so tap k
always lands on output phase (d*k - p) mod s, whatever the weights. Everything below follows.
"""

from dataclasses import dataclass
from itertools import product
from math import gcd, inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.response import constant_response

Pair = tuple[int, int]  # down, across


@dataclass(frozen=True)
class Overlap:
    """How the taps of a square kernel share out over the output phases of one axis."""

    taps: tuple[int, ...]  # per phase (d*k mod s), before padding shifts the phases
    variation: float  # coefficient of variation of the 2-D overlap count over the s*s phases
    hole_fraction: float  # share of output pixels (2-D) that no tap reaches: they hold only the bias

    @property
    def even(self) -> bool:
        """True where every output pixel is reached by the same number of taps, and at least one."""
        return len(set(self.taps)) == 1 and self.taps[0] > 0


def overlap(kernel_size: int, stride: int, dilation: int = 1) -> Overlap:
    """Count the taps that reach each output phase of a transposed convolution.

    Even exactly when gcd(stride, dilation) = 1 and stride divides kernel_size. With
    g = gcd(stride, dilation) > 1 only the phases that g divides get anything.

    >>> overlap(4, 2).taps, overlap(3, 2).taps, overlap(3, 2, dilation=2).hole_fraction
    ((2, 2), (2, 1), 0.75)
    """
    taps = [0] * stride
    for k in range(kernel_size):
        taps[dilation * k % stride] += 1
    # The 2-D count is an outer product, so its relative second moment is the 1-D one squared.
    mean = kernel_size / stride
    second = sum(t * t for t in taps) / stride / mean**2
    reached = sum(t > 0 for t in taps) / stride
    return Overlap(tuple(taps), (second**2 - 1) ** 0.5, 1 - reached**2)


def padding_for(kernel_size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(padding, output_padding) that make the output exactly stride times the input.

    The output is centred on the input's pixels when output_padding is 0, that is when
    dilation*(kernel_size-1) + 1 - stride is even and not negative.
    """
    excess = dilation * (kernel_size - 1) + 1 - stride
    if excess < 0:
        return 0, -excess
    padding = (excess + 1) // 2
    return padding, 2 * padding - excess


def even_settings(kernel_size: int, stride: int, dilation: int = 1, count: int = 3) -> list[tuple[int, int]]:
    """The `count` (kernel_size, dilation) pairs nearest to the given ones that are even, hole-free and centred."""
    found = [
        (k, d)
        for k in range(stride, kernel_size + 3 * stride + 1, stride)
        for d in range(1, dilation + stride + 2)
        if gcd(stride, d) == 1 and padding_for(k, stride, d)[1] == 0
    ]
    return sorted(found, key=lambda kd: (abs(kd[0] - kernel_size) + abs(kd[1] - dilation), kd))[:count]


@dataclass(frozen=True)
class Phase:
    """The ordinary convolution behind one output phase: y_r[i] = bias + sum_t kernel[..., t] x[i + start + step*t]."""

    kernel: Tensor  # (out_channels, in_channels / groups, kh, kw); where kh or kw is 0 the phase is a hole
    start: Pair  # the input pixel under tap (0, 0) for the phase's first output pixel
    bias: Tensor | None  # (out_channels,)


@dataclass(frozen=True)
class Polyphase:
    """A linear upsampling layer as stride**2 ordinary convolutions whose outputs are interleaved.

    Vaidyanathan, "Multirate Systems and Filter Banks" (1993), section 4.3; Shi et al., "Is the
    deconvolution layer the same as a convolutional layer?" (2016). Call it on x (N, C, H, W) for the
    layer's own output, border included.
    """

    phases: dict[Pair, Phase]  # by output row mod stride[0] and column mod stride[1]
    stride: Pair
    step: Pair  # input pixels between neighbouring taps
    extra: Pair  # output size minus stride * input size
    groups: int

    def __call__(self, x: Tensor) -> Tensor:
        (sh, sw), (qh, qw), (h, w) = self.stride, self.step, x.shape[2:]
        channels = next(iter(self.phases.values())).kernel.shape[0]
        y = x.new_zeros(x.shape[0], channels, sh * h + self.extra[0], sw * w + self.extra[1])
        for (rh, rw), part in self.phases.items():
            lattice = y[..., rh::sh, rw::sw]
            (rows, columns), (kh, kw), (top, left) = lattice.shape[2:], part.kernel.shape[2:], part.start
            if lattice.numel() == 0:
                continue
            if kh * kw == 0:
                lattice += 0 if part.bias is None else part.bias[:, None, None]
                continue
            below, right = top + rows - 1 + qh * (kh - 1) - (h - 1), left + columns - 1 + qw * (kw - 1) - (w - 1)
            padded = F.pad(x, (-left, right, -top, below))  # a negative pad crops
            lattice += F.conv2d(padded, part.kernel, part.bias, dilation=self.step, groups=self.groups)
        return y


def polyphase(layer: nn.Module) -> Polyphase:
    """Split a layer whose weights are known into the ordinary convolution of each output phase.

    Takes nn.ConvTranspose2d (any stride, padding, dilation, groups; parametrised or not) and
    nn.Sequential(conv, nn.PixelShuffle) with a stride-1 convolution padded with zeros.
    Tap k of a transposed convolution serves phase r where d*k = r + p (mod s); those k lie s/g apart,
    g = gcd(s, d), and read input pixels d/g apart. Raises TypeError for any other layer.
    """
    if isinstance(layer, nn.ConvTranspose2d):
        return _split_transposed(layer)
    if isinstance(layer, nn.Sequential) and len(layer) == 2:
        conv, shuffle = layer
        if (
            isinstance(conv, nn.Conv2d)
            and isinstance(shuffle, nn.PixelShuffle)
            and conv.stride == (1, 1)
            and conv.padding_mode == "zeros"
            and conv.out_channels // shuffle.upscale_factor**2 % conv.groups == 0  # else a channel spans groups
        ):
            return _split_shuffled(conv, shuffle.upscale_factor)
    raise TypeError(
        "polyphase takes nn.ConvTranspose2d or nn.Sequential(conv, nn.PixelShuffle) with a zero-padded "
        f"convolution of stride 1, not {type(layer).__name__}"
    )


def _split_transposed(layer: nn.ConvTranspose2d) -> Polyphase:
    def axis(a: int) -> tuple[list[tuple[list[int], int]], int, int]:
        """Of one axis: (taps, start) of each phase, the step between taps, and the extra size."""
        k, s, d = layer.kernel_size[a], layer.stride[a], layer.dilation[a]
        p, o = int(layer.padding[a]), layer.output_padding[a]
        # A convolution reads its input in ascending order, which is the descending order of the taps.
        taps = [[t for t in reversed(range(k)) if (d * t - r - p) % s == 0] for r in range(s)]
        starts = [(r + p - d * t[0]) // s if t else 0 for r, t in enumerate(taps)]
        return list(zip(taps, starts, strict=True)), d // gcd(s, d), d * (k - 1) + 1 + o - 2 * p - s

    # (in, out/groups, kh, kw) -> (out, in/groups, kh, kw), each group's channels kept together
    weight = layer.weight.detach().unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    bias = None if layer.bias is None else layer.bias.detach()
    (down, step_h, extra_h), (across, step_w, extra_w) = axis(0), axis(1)
    phases = {
        (rh, rw): Phase(weight[:, :, rows][..., columns], (top, left), bias)
        for (rh, (rows, top)), (rw, (columns, left)) in product(enumerate(down), enumerate(across))
    }
    return Polyphase(phases, (len(down), len(across)), (step_h, step_w), (extra_h, extra_w), layer.groups)


def _split_shuffled(conv: nn.Conv2d, scale: int) -> Polyphase:
    (kh, kw), (dh, dw) = conv.kernel_size, conv.dilation
    reach_h, reach_w = dh * (kh - 1), dw * (kw - 1)
    if conv.padding == "same":
        (top, left), (pad_h, pad_w) = (reach_h // 2, reach_w // 2), (reach_h, reach_w)
    else:
        top, left = (0, 0) if isinstance(conv.padding, str) else (int(conv.padding[0]), int(conv.padding[1]))
        pad_h, pad_w = 2 * top, 2 * left
    weight = conv.weight.detach().unflatten(0, (-1, scale**2))
    bias = None if conv.bias is None else conv.bias.detach().unflatten(0, (-1, scale**2))
    phases = {
        divmod(r, scale): Phase(weight[:, r], (-top, -left), None if bias is None else bias[:, r])
        for r in range(scale**2)
    }
    extra = scale * (pad_h - reach_h), scale * (pad_w - reach_w)
    return Polyphase(phases, (scale, scale), (dh, dw), extra, conv.groups)


def from_polyphase(parts: Polyphase) -> nn.ConvTranspose2d:
    """The transposed convolution whose phases are `parts`: the inverse of `polyphase`.

    A pixel shuffle's phases give the transposed convolution of kernel scale*k that equals it.
    Raises ValueError where no transposed convolution does: phases with different biases, or an
    output that starts later or ends further out than its padding arguments can say.
    """
    some = next(iter(parts.phases.values()))
    for part in parts.phases.values():
        if part.bias is not None and some.bias is not None and not torch.equal(part.bias, some.bias):
            raise ValueError("a transposed convolution has one bias for all phases; these phases have different ones")

    def axis(a: int) -> tuple[list[list[int]], int, int, int, int]:
        """Of one axis: the taps of each phase, kernel_size, dilation, padding and output_padding."""
        s = parts.stride[a]
        alone = [parts.phases[(r, 0) if a == 0 else (0, r)] for r in range(s)]
        # Tap t of phase r lands at this output pixel when input pixel 0 is lit.
        lands = [
            [r - s * (part.start[a] + parts.step[a] * t) for t in range(part.kernel.shape[2 + a])]
            for r, part in enumerate(alone)
        ]
        first, last = min(o for taps in lands for o in taps), max(o for taps in lands for o in taps)
        d = gcd(*(o - first for taps in lands for o in taps)) or 1
        k = (last - first) // d + 1
        taps = [[(o - first) // d for o in taps] for taps in lands]
        output_padding = parts.extra[a] - (last - first + 1 + 2 * first - s)
        if first > 0 or not 0 <= output_padding < max(s, d):
            raise ValueError(
                "no transposed convolution has these phases: along one axis it would need "
                f"padding={-first} and output_padding={output_padding}"
            )
        return taps, k, d, -first, output_padding

    (down, kh, dh, ph, oh), (across, kw, dw, pw, ow) = axis(0), axis(1)
    out_channels, in_per_group = some.kernel.shape[:2]
    weight = some.kernel.new_zeros(parts.groups, in_per_group, out_channels // parts.groups, kh, kw)
    for (rh, rw), part in parts.phases.items():
        rows, columns = torch.meshgrid(torch.tensor(down[rh]).long(), torch.tensor(across[rw]).long(), indexing="ij")
        weight[:, :, :, rows, columns] = part.kernel.unflatten(0, (parts.groups, -1)).transpose(1, 2)
    layer = nn.ConvTranspose2d(
        in_per_group * parts.groups,
        out_channels,
        (kh, kw),
        stride=parts.stride,
        padding=(ph, pw),
        output_padding=(oh, ow),
        dilation=(dh, dw),
        groups=parts.groups,
        bias=some.bias is not None,
    ).to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight.flatten(0, 1))
        if layer.bias is not None and some.bias is not None:
            layer.bias.copy_(some.bias)
    return layer


def phase_imbalance(layer: nn.Module, in_channels: int | None = None) -> float:
    """How strong a checkerboard the layer prints on constant inputs: 0 is none.

        D = sqrt(mean_r |G_r - mean G|^2) / |mean G|

    with G_r (out_channels, in_channels + 1) the answer of output phase r to a constant 1 in each input
    channel, that is the sum of the taps that reach the phase, and the bias as the last column.
    Sugawara, Shiota & Kiya (ICIP 2018) name D = 0 as the condition to avoid checkerboards; random
    independent weights give sqrt(stride**2 - 1). Infinite where the phases average to nothing.

    Where `polyphase` knows the weights, D is read from them. Any other module with
    forward(x (N, in_channels, H, W)) is measured as a black box, in evaluation mode: constant one-hot
    channels in, the means of each output phase far from the border out; `in_channels` defaults to
    what its first convolution takes, or 1. Raises ValueError where the module cannot be fed.
    """
    try:
        parts = polyphase(layer).phases.values()
    except TypeError:
        answers = constant_response(layer, in_channels)
    else:
        sums = [part.kernel.cpu().double().sum((2, 3)) for part in parts]
        biases = [part.bias.cpu().double()[:, None] for part in parts if part.bias is not None]
        answers = torch.cat([torch.stack(sums), *([torch.stack(biases)] if biases else [])], -1)
    mean = answers.mean(0)
    deviation = (answers - mean).square().sum((1, 2)).mean().sqrt().item()
    level = mean.norm().item()
    return deviation / level if level else (inf if deviation else 0.0)
