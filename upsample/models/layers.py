"""One upsampling or strided layer at a time: what it overlaps, what it prints, and what would mend it.

A strided layer is read through its gradient, which is a transposed convolution with the same
kernel, stride and dilation: what that overlaps unevenly, the layer reads unevenly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from upsample.algebra.imbalance import Imbalance, imbalance_of, phase_imbalance
from upsample.algebra.overlap import Overlap, Setting, even_settings, overlap
from upsample.algebra.polyphase import Convolution, Polyphase, Transposed, is_plain, polyphase
from upsample.algebra.response import phases_of, transposed_inside
from upsample.algebra.spectrum import aliasing_ratio, gain_of, gradient_of, imaging_of, imaging_ratio
from upsample.models.tracing import is_operator

VISIBLE = 0.05  # phase imbalance above which the phases are called unequal: 5 % of the mean answer

Pooling = nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d | nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d

REPAIR = "equalise its phases (upsample.repair), or put a resize_conv in its place (upsample.swap)"
CALIBRATE = "equalise what its phases answer to flat areas of your images (upsample.repair(model, images))"
SWAP = "put a resize_conv in its place (upsample.swap)"


@dataclass(frozen=True)
class Layer:
    """One upsampling or strided layer, or one call of a function that is one."""

    kind: str  # "upsampling" or "strided"
    what: str
    taps: tuple[tuple[int, ...], ...] | None = None  # per axis, the taps that reach each phase
    hole_fraction: float | None = None  # share of the output (strided: of the input) that no tap reaches
    imbalance: float | None = None  # phase_imbalance (strided: of the gradient)
    worst: float | None = None  # the same of the output channel where it is largest
    bias: float | None = None  # the same of biases that differ from phase to phase
    imaging: float | None = None  # imaging_ratio
    aliasing: float | None = None  # aliasing_ratio, of strided layers
    verdict: str = ""
    mend: str = ""
    name: str = ""  # dotted path in the model; for a function, of the module whose forward calls it
    also: tuple[str, ...] = ()  # other names of the same module


def of_module(module: nn.Module) -> Layer | None:
    """The layer that this module is; None for any other module, and for what its trace tells better."""
    if is_operator(module):
        return _of_operator(module)
    if isinstance(module, Transposed | Convolution):
        return of_convolution(module) if max(module.stride) > 1 else None
    if isinstance(module, Pooling):
        name = type(module).__name__
        stride, dilation = module.stride or module.kernel_size, getattr(module, "dilation", 1)
        return of_pooling(name, int(name[-2]), module.kernel_size, stride, dilation)
    return None


def _of_operator(module: nn.Module) -> Layer:
    what = f"upsample {type(module).__name__}"
    conv = transposed_inside(module)
    if conv is not None:
        found = of_convolution(conv)
        return replace(found, what=f"{what}: {found.what}")
    try:
        parts = phases_of(module)
        if parts is not None:
            return of_phases(what, parts)
        measured, imaging = phase_imbalance(module), imaging_ratio(module)
    except ValueError as error:
        why = str(error) if "meta device" in str(error) else "it takes more than x, or channels that it does not tell"
        return Layer("upsampling", what, verdict=f"not measured: {why}")
    return _judged(Layer("upsampling", what, imaging=imaging), measured, SWAP)


def of_phases(what: str, parts: Polyphase, mend: str = REPAIR) -> Layer:
    """An upsampling layer whose phases are known."""
    if parts_are_unreadable := unreadable(*(part.kernel for part in parts.phases.values())):
        return Layer("upsampling", what, verdict=f"not measured: {parts_are_unreadable}")
    return _judged(Layer("upsampling", what, imaging=imaging_of(gain_of(parts))), imbalance_of(parts), mend)


def _judged(layer: Layer, measured: Imbalance, mend: str, uneven: str = "unequal weights") -> Layer:
    """The layer with its measured imbalance, a verdict in words and, where it prints, the mend."""
    verdict = "even"
    if not measured.largest <= VISIBLE:
        verdict = uneven
        if float(measured) <= VISIBLE:
            where = f"in channel {measured.channel} ({measured.worst:.2f}; all together {float(measured):.2f})"
            verdict = f"{uneven} {where}" if measured.worst > VISIBLE else "unequal biases"
    return replace(
        layer,
        imbalance=float(measured),
        worst=measured.worst,
        bias=measured.bias,
        verdict=verdict,
        mend="" if verdict == "even" else mend,
    )


def of_convolution(conv: Transposed | Convolution, what: str | None = None) -> Layer:
    """A transposed convolution, or a strided one."""
    axes = overlap(conv.kernel_size, conv.stride, conv.dilation)
    dilation = f" d{short(conv.dilation)}" if max(conv.dilation) > 1 else ""
    groups = f" g{conv.groups}" if conv.groups > 1 else ""
    kind = "upsampling" if isinstance(conv, Transposed) else "strided"
    what = what or type(conv).__name__.removeprefix("Parametrized")
    layer = Layer(
        kind,
        f"{what} {conv.in_channels}->{conv.out_channels} k{short(conv.kernel_size)} s{short(conv.stride)}"
        f"{dilation}{groups}",
        axes.taps,
        axes.hole_fraction,
    )
    return _of_transposed(conv, layer, axes) if isinstance(conv, Transposed) else _of_strided(conv, layer, axes)


def _of_transposed(conv: Transposed, layer: Layer, axes: Overlap) -> Layer:
    near = _near(conv, axes)
    if axes.hole_fraction:
        layer = replace(
            layer, verdict=f"{axes.hole_fraction:.0%} holes: they hold only the bias", mend=f"{near}; or {SWAP}"
        )
    why = unreadable(conv.weight, conv.bias)
    if not why:
        try:
            parts = polyphase(conv) if is_plain(conv) else None
            measured = phase_imbalance(conv) if parts is None else imbalance_of(parts)
            layer = replace(layer, imaging=imaging_ratio(conv) if parts is None else imaging_of(gain_of(parts)))
        except ValueError as error:
            why = f"it has a forward or hooks of its own, and {error}"
    if why:
        overlapped = "" if axes.even else f"{layer.verdict or 'uneven overlap'}; "
        return replace(layer, verdict=f"{overlapped}not measured: {why}")
    if layer.verdict:  # holes: no weights fill them
        return replace(layer, imbalance=float(measured), worst=measured.worst, bias=measured.bias)
    mend = REPAIR if axes.even else f"{REPAIR}; or train it with {near}"
    return _judged(layer, measured, mend, "even overlap, unequal weights" if axes.even else "uneven overlap")


def _of_strided(conv: Convolution, layer: Layer, axes: Overlap) -> Layer:
    if not unreadable(conv.weight) and is_plain(conv):
        measured = phase_imbalance(gradient_of(conv))
        layer = replace(layer, imbalance=float(measured), worst=measured.worst, aliasing=aliasing_ratio(conv))
    return _read(layer, axes, _near(conv, axes))


def _read(layer: Layer, axes: Overlap, near: str) -> Layer:
    """A strided layer with the verdict on which pixels it reads, and how often."""
    if axes.hole_fraction:
        verdict = f"never reads {axes.hole_fraction:.0%} of its input"
        return replace(layer, verdict=verdict, mend="average-pool by the stride, then convolve with stride 1")
    if not axes.even:
        mend = f"{near}; or stride 1, then blur and subsample (Zhang 2019)"
        return replace(layer, verdict="uneven gradient", mend=mend)
    return replace(layer, verdict="even")


def of_pooling(what: str, axes: int, kernel: Setting, stride: Setting, dilation: Setting = 1) -> Layer | None:
    """Pooling over windows along so many axes; None for stride 1."""
    kernels, strides, dilations = (
        (value,) * axes if isinstance(value, int) else tuple(value) for value in (kernel, stride, dilation)
    )
    if max(strides) == 1:
        return None
    found = overlap(kernels, strides, dilations)
    layer = Layer("strided", f"{what} k{short(kernels)} s{short(strides)}", found.taps, found.hole_fraction)
    if what.lower().removeprefix("f.").startswith("av"):  # a convolution by a box
        box = getattr(nn, f"Conv{axes}d")(1, 1, kernels, stride=strides, bias=False)
        nn.init.ones_(box.weight)
        layer = replace(layer, aliasing=aliasing_ratio(box))
    return _read(layer, found, _near_settings(kernels, strides, dilations, found))


def _near(conv: Transposed | Convolution, axes: Overlap) -> str:
    return _near_settings(conv.kernel_size, conv.stride, conv.dilation, axes)


def _near_settings(kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], axes: Overlap) -> str:
    """The even settings nearest to these, in words; nothing where they are even as they are."""
    if axes.even:
        return ""
    settings = [*zip(kernel, stride, dilation, strict=True)]
    options = [even_settings(*setting) if max(setting[1:]) > 1 else [(setting[0], 1)] * 3 for setting in settings]
    return ", or ".join(
        f"kernel_size={short(k for k, _ in choice)} dilation={short(d for _, d in choice)}"
        for choice in zip(*options, strict=True)
    )


def unreadable(*tensors: torch.Tensor | None) -> str:
    """Why these weights cannot be read, or nothing."""
    for tensor in tensors:
        if tensor is None:
            continue
        if tensor.is_meta:
            return "its weights are on the meta device"
        if tensor.is_complex():
            return "its weights are complex"
        if not tensor.isfinite().all():
            return "its weights hold NaN or infinite values"
    return ""


def short(values: Iterable[int]) -> str:
    """One number where all are the same, else 1x2x2."""
    values = [*values]
    return "x".join(map(str, values[:1] if len(set(values)) == 1 else values))
