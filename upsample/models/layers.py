"""One upsampling or strided layer at a time: what it overlaps, what it prints, and what would mend it.

A strided layer is read through its gradient, which is a transposed convolution with the same
kernel, stride and dilation: what that overlaps unevenly, the layer reads unevenly.
"""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import torch
import torch.nn.functional as F
from torch import nn

from upsample.algebra.phases import Overlap, even_settings, overlap, phase_imbalance
from upsample.algebra.response import transposed_inside
from upsample.algebra.spectrum import imaging_ratio
from upsample.models.tracing import Call, is_operator

VISIBLE = 0.05  # phase imbalance above which the phases are called unequal: 5 % of the mean answer

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Pooling = nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d | nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d


@dataclass(frozen=True)
class Layer:
    """One upsampling or strided layer, or one call of a function that is one."""

    kind: str  # "upsampling" or "strided"
    what: str
    taps: tuple[tuple[int, ...], ...] | None = None  # per axis, the taps that reach each phase
    hole_fraction: float | None = None  # share of the output (strided: of the input) that no tap reaches
    imbalance: float | None = None  # phase_imbalance (strided: of the gradient)
    imaging: float | None = None  # imaging_ratio (strided: the same number is its aliasing)
    verdict: str = ""
    mend: str = ""
    name: str = ""  # dotted path in the model; for a function, of the module whose forward calls it
    also: tuple[str, ...] = ()  # other names of the same module


def of_module(module: nn.Module, fed_by: nn.Module | None) -> Layer | None:
    """The layer that this module is, given the module whose output it takes; None for any other module."""
    kind = type(module).__name__
    if is_operator(module):
        return _of_operator(module)
    if isinstance(module, Transposed | Convolution):
        return _of_convolution(module) if max(module.stride) > 1 else None
    if isinstance(module, Pooling):
        return _of_pooling(module)
    if isinstance(module, nn.PixelShuffle):
        return _of_shuffle(kind, module.upscale_factor, fed_by)
    if isinstance(module, nn.Upsample):
        return _of_interpolation(kind, module)
    if isinstance(module, nn.MaxUnpool1d | nn.MaxUnpool2d | nn.MaxUnpool3d):
        return _of_unpooling(kind)
    return None


def _of_operator(module: nn.Module) -> Layer:
    what = f"upsample {type(module).__name__}"
    conv = transposed_inside(module)
    if conv is not None:
        found = _of_convolution(conv)
        return replace(found, what=f"{what}: {found.what}")
    try:
        imbalance, imaging = phase_imbalance(module), imaging_ratio(module)
    except ValueError:
        return Layer(
            "upsampling", what, verdict="not measured: it takes more than x, or channels that it does not tell"
        )
    verdict, mend = _verdict("upsampling", [], imbalance, cure="balanced=true, where it has that, or resize_conv")
    return Layer("upsampling", what, imbalance=imbalance, imaging=imaging, verdict=verdict, mend=mend)


def _of_convolution(conv: Transposed | Convolution) -> Layer:
    kind = "upsampling" if isinstance(conv, Transposed) else "strided"
    dilation = f" d{_short(conv.dilation)}" if max(conv.dilation) > 1 else ""
    groups = f" g{conv.groups}" if conv.groups > 1 else ""
    what = (
        f"{type(conv).__name__.removeprefix('Parametrized')} {conv.in_channels}->{conv.out_channels} "
        f"k{_short(conv.kernel_size)} s{_short(conv.stride)}{dilation}{groups}"
    )
    axes, near = _overlaps(zip(conv.kernel_size, conv.stride, conv.dilation, strict=True))
    imbalance, imaging = _of_weights(conv)
    verdict, mend = _verdict(kind, axes, imbalance, near)
    return Layer(kind, what, tuple(axis.taps for axis in axes), _holes(axes), imbalance, imaging, verdict, mend)


def _of_weights(conv: Transposed | Convolution) -> tuple[float | None, float | None]:
    """(imbalance, imaging) of a transposed convolution, or of the gradient of a strided one.

    The gradient of a convolution is the transposed convolution of the same weights, which torch stores
    in the same order. None where there are no values to read, three axes, or two different strides.
    """
    if conv.weight.is_meta or len(conv.stride) == 3:
        return None, None
    weight, bias = conv.weight.detach(), conv.bias if isinstance(conv, Transposed) else None
    flat = len(conv.stride) == 1  # one axis is an image of one row
    (kernel, stride, dilation) = (
        (1, values[0]) if flat else (values[0], values[1]) for values in (conv.kernel_size, conv.stride, conv.dilation)
    )
    layer = nn.ConvTranspose2d(
        weight.shape[0],
        weight.shape[1] * conv.groups,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=conv.groups,
        bias=bias is not None,
        device="meta",
    )
    layer.weight = nn.Parameter(weight[:, :, None] if flat else weight)
    layer.bias = None if bias is None else nn.Parameter(bias.detach())
    return phase_imbalance(layer), imaging_ratio(layer) if stride[0] == stride[1] else None


def _of_pooling(pool: Pooling) -> Layer | None:
    axes_of = {nn.MaxPool1d: 1, nn.AvgPool1d: 1, nn.MaxPool2d: 2, nn.AvgPool2d: 2, nn.MaxPool3d: 3, nn.AvgPool3d: 3}
    dims = next(n for known, n in axes_of.items() if isinstance(pool, known))
    kernel, stride, dilation = (
        (value,) * dims if isinstance(value, int) else tuple(value)
        for value in (pool.kernel_size, pool.stride or pool.kernel_size, getattr(pool, "dilation", 1))
    )
    if max(stride) == 1:
        return None
    axes, near = _overlaps(zip(kernel, stride, dilation, strict=True))
    verdict, mend = _verdict("strided", axes, None, near)
    what = f"{type(pool).__name__} k{_short(kernel)} s{_short(stride)}"
    return Layer("strided", what, tuple(axis.taps for axis in axes), _holes(axes), None, None, verdict, mend)


def _of_shuffle(kind: str, scale: int, fed_by: nn.Module | None) -> Layer:
    what = f"{kind} s{scale}"
    if not isinstance(fed_by, nn.Conv2d):
        return Layer("upsampling", what, verdict="not measured: the convolution before it was not found")
    what += f" after Conv2d {fed_by.in_channels}->{fed_by.out_channels} k{_short(fed_by.kernel_size)}"
    tail = nn.Sequential(fed_by, nn.PixelShuffle(scale))
    try:
        imbalance, imaging = phase_imbalance(tail), imaging_ratio(tail)
    except ValueError:
        return Layer("upsampling", what, verdict="not measured: the convolution cannot be probed by itself")
    verdict, mend = _verdict("upsampling", [], imbalance, cure="upsample's pixel_shuffle with balanced=true")
    return Layer("upsampling", what, imbalance=imbalance, imaging=imaging, verdict=verdict, mend=mend)


def _of_interpolation(kind: str, layer: nn.Upsample) -> Layer | None:
    """Interpolation weights sum to one, so every mode keeps a constant; images take the scale to tell."""
    factors = layer.scale_factor if isinstance(layer.scale_factor, tuple) else (layer.scale_factor,)
    known = [factor for factor in factors if factor is not None]
    if known and max(known) <= 1:
        return None
    how = f"s{'x'.join(f'{factor:g}' for factor in dict.fromkeys(known))}" if known else "to a size given at run time"
    corners = " align_corners" if layer.align_corners else ""
    # The spectrum is that of one integer factor, of images, with the half-pixel centres of align_corners=False.
    plain = len(set(known)) == 1 and known[0] == int(known[0]) and not corners
    imaging = imaging_ratio(layer, 1) if plain and layer.mode not in ("linear", "trilinear") else None
    return Layer("upsampling", f"{kind} {layer.mode} {how}{corners}", None, 0.0, 0.0, imaging, "even")


def _of_unpooling(kind: str) -> Layer:
    verdict = "zeros wherever the encoder had no maximum"
    return Layer(
        "upsampling", kind, verdict=verdict, mend="convolve afterwards, as SegNet does, or swap it for bilinear"
    )


def _overlaps(settings: Iterable[tuple[int, int, int]]) -> tuple[list[Overlap], str]:
    """Of (kernel_size, stride, dilation) per axis, the overlaps, and the even settings near the first uneven one."""
    settings = list(settings)
    axes = [overlap(*setting) for setting in settings]
    uneven = [setting for setting, axis in zip(settings, axes, strict=True) if not axis.even]
    if not uneven:
        return axes, ""
    k, s, d = uneven[0]
    near = even_settings(k, s, d)
    return axes, ", or ".join(f"kernel_size={k}" + (f" dilation={e}" if (d, e) != (1, 1) else "") for k, e in near)


def _holes(axes: list[Overlap]) -> float:
    return 1 - prod(sum(t > 0 for t in axis.taps) / len(axis.taps) for axis in axes)


def _short(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def _verdict(
    kind: str,
    axes: list[Overlap],
    imbalance: float | None,
    near: str = "",
    cure: str = "swap it for resize_conv or deconv with balanced=true (upsample.swap)",
) -> tuple[str, str]:
    """(verdict, mend) for taps that overlap like `axes`; `near` names the even settings around their own.

    `cure` is what helps against weights that differ from phase to phase.
    """
    holes, up = _holes(axes), kind == "upsampling"
    if near and up:
        verdict = f"{holes:.0%} holes: they hold only the bias" if holes else "uneven overlap"
        return verdict, f"{near}; or swap it for resize_conv (upsample.swap)"
    if holes:
        return f"never reads {holes:.0%} of its input", "average-pool by the stride, then convolve with stride 1"
    if near:
        return "uneven gradient", f"{near}; or stride 1, then blur and subsample (Zhang 2019)"
    if up and imbalance is not None and imbalance > VISIBLE:
        return "even overlap, unequal weights" if axes else "unequal weights", cure
    return "even", ""


def of_call(call: Call, model: nn.Module) -> Layer | None:
    """A function's layer; None for every function that is not an upsampling one, and for methods and modules."""
    if isinstance(call.target, str):
        return None
    if call.target in (F.interpolate, F.upsample):
        given = inspect.signature(call.target).bind(*call.args, **call.kwargs).arguments
        factor = given.get("scale_factor")
        known = factor if isinstance(factor, float | int | tuple | list) else None
        mode, corners = given.get("mode", "nearest"), given.get("align_corners")
        return _of_interpolation(
            "F.interpolate", nn.Upsample(None, tuple(known) if isinstance(known, list) else known, mode, corners)
        )
    if call.target in (F.pixel_shuffle, torch.pixel_shuffle):
        scale = call.args[1] if len(call.args) > 1 else call.kwargs["upscale_factor"]
        return _of_shuffle("F.pixel_shuffle", scale, model.get_submodule(call.fed_by) if call.fed_by else None)
    if call.target in (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d):
        return _of_unpooling("F.max_unpool")
    if call.target in (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d):
        return Layer("upsampling", "F.conv_transpose", verdict="not measured: its weights are an argument")
    if call.target is F.grid_sample:
        return Layer("upsampling", "F.grid_sample", verdict="not measured: it samples where its grid says")
    return None
