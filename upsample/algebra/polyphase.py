"""A linear upsampling layer as the ordinary convolutions behind its output phases, over any number of axes.

Input pixel i and tap k of a transposed convolution meet at output pixel s*i + d*k - p, so tap k always
lands on output phase (d*k - p) mod s; a pixel shuffle deals its convolution's channels out to the phases.
"""

from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

Place = tuple[int, ...]  # one whole number per axis

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
CONVOLUTIONS: dict[int, type[Convolution]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED: dict[int, type[Transposed]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class Phase:
    """The ordinary convolution behind one output phase: y_r[i] = bias + sum_t kernel[..., t] x[i + start + step*t]."""

    kernel: Tensor  # (out_channels, in_channels / groups, *taps); where an axis has 0 taps the phase is a hole
    start: Place  # the input pixel under the first tap for the phase's first output pixel
    bias: Tensor | None  # (out_channels,)


@dataclass(frozen=True)
class Polyphase:
    """A linear upsampling layer as prod(stride) ordinary convolutions whose outputs are interleaved.

    Vaidyanathan, "Multirate Systems and Filter Banks" (1993), section 4.3; Shi et al., "Is the
    deconvolution layer the same as a convolutional layer?" (2016). Call it on x (N, C, *size) for the
    layer's own output, border included.
    """

    phases: dict[Place, Phase]  # by output pixel mod stride, axis by axis
    stride: Place
    step: Place  # input pixels between neighbouring taps
    extra: Place  # output size minus stride * input size
    groups: int

    def __call__(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        channels = next(iter(self.phases.values())).kernel.shape[0]
        y = x.new_zeros(len(x), channels, *(s * n + e for s, n, e in zip(self.stride, size, self.extra, strict=True)))
        for r, part in self.phases.items():
            every: list[slice] = [slice(first, None, s) for first, s in zip(r, self.stride, strict=True)]
            lattice = y[:, :, *every]
            if lattice.numel() == 0:
                continue
            bias = None if part.bias is None else part.bias.to(x)
            if part.kernel.numel() == 0:
                lattice += 0 if bias is None else bias.view(-1, *[1] * len(size))
                continue
            pads: list[int] = []  # a negative pad crops
            for n, rows, first, q, taps in zip(
                size, lattice.shape[2:], part.start, self.step, part.kernel.shape[2:], strict=True
            ):
                pads = [-first, first + rows - 1 + q * (taps - 1) - (n - 1), *pads]
            kernel = part.kernel.to(x)
            lattice += CONVOLVE[len(size)](F.pad(x, pads), kernel, bias, dilation=self.step, groups=self.groups)
        return y

    def landings(self, r: Place) -> list[Place]:
        """Where the taps of phase r land, in output pixels from input pixel 0's block, in the kernel's order."""
        part = self.phases[r]
        axes = [
            [first - s * (start + q * t) for t in range(taps)]
            for first, s, start, q, taps in zip(
                r, self.stride, part.start, self.step, part.kernel.shape[2:], strict=True
            )
        ]
        return list(product(*axes))


def is_plain(layer: nn.Module) -> bool:
    """Whether one of torch's own convolutions does what its weights say: no forward and no hooks of its own.

    torch.nn.utils.weight_norm and spectral_norm are hooks that set the weight: what they would set is set.
    """
    own = {type(layer).forward, *(f.forward for f in (*TRANSPOSED.values(), nn.Conv1d, nn.Conv2d, nn.Conv3d))}
    hooks = [*layer._forward_pre_hooks.values()]
    for hook in hooks:
        if isinstance(hook, WeightNorm):
            setattr(layer, hook.name, hook.compute_weight(layer))
        elif isinstance(hook, SpectralNorm):
            setattr(layer, hook.name, hook.compute_weight(layer, do_power_iteration=False))
    return (
        len(own) == 6
        and "forward" not in vars(layer)
        and not layer._forward_hooks
        and all(isinstance(hook, WeightNorm | SpectralNorm) for hook in hooks)
    )


def polyphase(layer: nn.Module) -> Polyphase:
    """Split a layer whose weights are known into the ordinary convolution of each output phase.

    Takes nn.ConvTranspose1d, 2d or 3d (any strides, padding, dilation, groups; parametrised or not) and
    nn.Sequential(conv, nn.PixelShuffle) with a stride-1 convolution padded with zeros, if they are torch's own.
    Tap k of a transposed convolution serves phase r where d*k = r + p (mod s); those k lie s/g apart,
    g = gcd(s, d), and read input pixels d/g apart. Raises TypeError for any other layer.
    """
    if isinstance(layer, Transposed) and is_plain(layer):
        return _split_transposed(layer)
    if isinstance(layer, nn.Sequential) and len(layer) == 2:
        conv: Any = layer[0]
        shuffle: Any = layer[1]
        known = isinstance(conv, nn.Conv2d) and isinstance(shuffle, nn.PixelShuffle) and is_plain(conv)
        if known and conv.padding_mode == "zeros":
            order = torch.arange(conv.out_channels).view(-1, *[shuffle.upscale_factor] * 2)
            return shuffled(conv, order)
    raise TypeError(
        "polyphase takes nn.ConvTranspose1d, 2d or 3d, or nn.Sequential(conv, nn.PixelShuffle) with a zero-padded "
        f"convolution of stride 1, without a forward or hooks of their own, not {type(layer).__name__}"
    )


def _split_transposed(layer: Transposed) -> Polyphase:
    def axis(a: int) -> tuple[list[tuple[list[int], int]], int, int]:
        """Of one axis: (taps, start) of each phase, the step between taps, and the extra size."""
        k, s, d = layer.kernel_size[a], layer.stride[a], layer.dilation[a]
        p, o = int(layer.padding[a]), layer.output_padding[a]
        # A convolution reads its input in ascending order, which is the descending order of the taps.
        taps = [[t for t in reversed(range(k)) if (d * t - r - p) % s == 0] for r in range(s)]
        starts = [(r + p - d * t[0]) // s if t else 0 for r, t in enumerate(taps)]
        return list(zip(taps, starts, strict=True)), d // gcd(s, d), d * (k - 1) + 1 + o - 2 * p - s

    # (in, out/groups, *taps) -> (out, in/groups, *taps), each group's channels kept together
    weight = layer.weight.detach().unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    bias = None if layer.bias is None else layer.bias.detach()
    axes = [axis(a) for a in range(len(layer.stride))]
    phases = {}
    for parts in product(*(enumerate(phases_of) for phases_of, _, _ in axes)):
        kernel = weight
        for a, (_, (taps, _)) in enumerate(parts):
            kernel = kernel.index_select(2 + a, torch.tensor(taps, dtype=torch.long, device=weight.device))
        phases[tuple(r for r, _ in parts)] = Phase(kernel, tuple(start for _, (_, start) in parts), bias)
    stride = tuple(len(phases_of) for phases_of, _, _ in axes)
    return Polyphase(phases, stride, tuple(q for _, q, _ in axes), tuple(e for _, _, e in axes), layer.groups)


def shuffled(conv: Convolution, order: Tensor) -> Polyphase:
    """A convolution of stride 1 whose channels are dealt out to the output's pixels, as its phases.

    order (out_channels, *scale) int64: which channel of the convolution becomes which output channel at
    which place of the block; PixelShuffle's is arange(out_channels * scale**2) in that shape.
    What lies beyond the border is taken as zero, whatever the convolution's padding_mode.
    Raises TypeError for another stride or an order that deals one group's channels to several.
    """
    scale, size = tuple(order.shape[1:]), conv.kernel_size
    group = torch.arange(len(order)) * conv.groups // len(order)
    of = order.cpu().flatten(1) * conv.groups // conv.out_channels
    if max(conv.stride) > 1 or len(order) % conv.groups or not (of == group[:, None]).all():
        raise TypeError(
            "the phases of a shuffle are convolutions where its own has stride 1 and each output channel comes from "
            f"one of its groups; here they are {conv.stride} and {conv.groups}"
        )
    reach = [d * (k - 1) for d, k in zip(conv.dilation, size, strict=True)]
    if conv.padding == "same":
        before, both = [n // 2 for n in reach], reach
    else:
        before = [0] * len(size) if isinstance(conv.padding, str) else [int(p) for p in conv.padding]
        both = [2 * p for p in before]
    weight = conv.weight.detach()
    bias = None if conv.bias is None else conv.bias.detach()
    start = tuple(-p for p in before)
    phases = {}
    for r, channels in zip(product(*map(range, scale)), order.to(weight.device).flatten(1).T, strict=True):
        phases[r] = Phase(weight[channels], start, None if bias is None else bias[channels])
    extra = tuple(s * (pad - n) for s, pad, n in zip(scale, both, reach, strict=True))
    return Polyphase(phases, scale, tuple(conv.dilation), extra, conv.groups)


def as_convolution(linear: nn.Linear, axes: int) -> Convolution:
    """The convolution of kernel 1 along so many axes that computes what a linear layer does of channels."""
    kind: Any = CONVOLUTIONS[axes]
    conv: Convolution = kind(linear.in_features, linear.out_features, 1, bias=linear.bias is not None, device="meta")
    conv.weight = nn.Parameter(linear.weight.detach().reshape(*linear.weight.shape, *[1] * axes))
    conv.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach())
    return conv


def from_polyphase(parts: Polyphase) -> Transposed:
    """The transposed convolution whose phases are `parts`: the inverse of `polyphase`.

    A pixel shuffle's phases give the transposed convolution of kernel scale*k that equals it.
    Raises ValueError where no transposed convolution does: phases with different biases, or an
    output that starts later or ends further out than its padding arguments can say.
    """
    some = next(iter(parts.phases.values()))
    for part in parts.phases.values():
        if part.bias is not None and some.bias is not None and not torch.equal(part.bias, some.bias):
            raise ValueError("a transposed convolution has one bias for all phases; these phases have different ones")
    axes = [_transposed_axis(parts, a) for a in range(len(parts.stride))]
    out_channels, in_per_group = some.kernel.shape[:2]
    shape = [len_ for _, len_, *_ in axes]
    weight = some.kernel.new_zeros(parts.groups, in_per_group, out_channels // parts.groups, *shape)
    for r, part in parts.phases.items():
        if part.kernel.numel():
            places = torch.meshgrid(
                *(torch.tensor(taps[phase]) for (taps, *_), phase in zip(axes, r, strict=True)), indexing="ij"
            )
            weight[(slice(None),) * 3 + places] = part.kernel.unflatten(0, (parts.groups, -1)).transpose(1, 2)
    layer = TRANSPOSED[len(axes)](
        in_per_group * parts.groups,
        out_channels,
        shape,  # type: ignore[arg-type]  # a sequence of one number per axis, which torch takes
        stride=parts.stride,  # type: ignore[arg-type]
        padding=tuple(p for *_, p, _ in axes),  # type: ignore[arg-type]
        output_padding=tuple(o for *_, o in axes),  # type: ignore[arg-type]
        dilation=tuple(d for _, _, d, _, _ in axes),  # type: ignore[arg-type]
        groups=parts.groups,
        bias=some.bias is not None,
    ).to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight.flatten(0, 1))
        if layer.bias is not None and some.bias is not None:
            layer.bias.copy_(some.bias)
    return layer


def _transposed_axis(parts: Polyphase, a: int) -> tuple[list[list[int]], int, int, int, int]:
    """Of one axis: the taps of each phase, kernel_size, dilation, padding and output_padding."""
    s = parts.stride[a]
    alone = [parts.phases[tuple(r if b == a else 0 for b in range(len(parts.stride)))] for r in range(s)]
    # Tap t of phase r lands at this output pixel when input pixel 0 is lit.
    lands = [
        [r - s * (part.start[a] + parts.step[a] * t) for t in range(part.kernel.shape[2 + a])]
        for r, part in enumerate(alone)
    ]
    first, last = min(o for taps in lands for o in taps), max(o for taps in lands for o in taps)
    d = gcd(*(o - first for taps in lands for o in taps)) or 1
    taps = [[(o - first) // d for o in taps] for taps in lands]
    output_padding = parts.extra[a] - (last - first + 1 + 2 * first - s)
    if first > 0 or not 0 <= output_padding < max(s, d):
        raise ValueError(
            "no transposed convolution has these phases: along one axis it would need "
            f"padding={-first} and output_padding={output_padding}"
        )
    return taps, (last - first) // d + 1, d, -first, output_padding
