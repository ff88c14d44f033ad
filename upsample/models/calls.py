"""What a forward calls that enlarges or strides, judged like the layers that modules are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from upsample.algebra.polyphase import CONVOLUTIONS, TRANSPOSED, Convolution, Transposed, is_plain, shuffled
from upsample.algebra.response import measured_polyphase
from upsample.algebra.spectrum import gain_of, imaging_of
from upsample.models.layers import CALIBRATE, Layer, of_convolution, of_phases, of_pooling, short, unreadable
from upsample.models.rearranged import rearranged, shuffle_order
from upsample.models.tracing import Call, Trace, Value, replay, root_of

NO_CONVOLUTION = "not measured: what it deals out is not one convolution's or linear layer's answer"


def of_unseen(module: nn.Module) -> Layer | None:
    """What can be said of one of torch's modules that stands in the model but was not met in its forward."""
    kind = type(module).__name__
    if isinstance(module, nn.PixelShuffle):
        verdict = "not measured: the convolution before it was not found"
        return Layer("upsampling", f"{kind} s{module.upscale_factor}", verdict=verdict)
    if isinstance(module, nn.PixelUnshuffle):
        return Layer("strided", f"{kind} s{module.downscale_factor}", hole_fraction=0.0, verdict="even")
    if isinstance(module, nn.Upsample):
        factors = module.scale_factor if isinstance(module.scale_factor, tuple) else (module.scale_factor,)
        known = [factor for factor in factors if factor is not None]
        if known and max(known) <= 1:
            return None
        how = f"s{'x'.join(f'{factor:g}' for factor in dict.fromkeys(known))}" if known else "to a given size"
        return Layer("upsampling", f"{kind} {module.mode} {how}", None, 0.0, 0.0, 0.0, 0.0, verdict="even")
    if isinstance(module, nn.MaxUnpool1d | nn.MaxUnpool2d | nn.MaxUnpool3d):
        return _unpooling(kind)
    return None


def _unpooling(what: str) -> Layer:
    mend = "convolve afterwards, as SegNet does, or interpolate bilinearly instead"
    return Layer("upsampling", what, verdict="zeros wherever the encoder had no maximum", mend=mend)


def of_calls(found: Trace, model: nn.Module) -> Iterator[tuple[str, Layer]]:
    """(path, layer) of everything that enlarges or strides and is no module of its own in the model."""
    for call in found.calls:
        layer = _of_call(call, model)
        if layer is not None:
            yield call.path, layer
    yield from _of_slices(found)
    for each in rearranged(found):
        scale = tuple(each.order.shape[1:])
        yield each.call.path, _of_shuffle(f"reshape and permute s{short(scale)}", each.root, each.order, model)


def _of_call(call: Call, model: nn.Module) -> Layer | None:
    op, given = call.op, call.given
    if op == "convolution":
        module = _module_of(call, model)
        if max(given["stride"]) == 1 or isinstance(module, Transposed | Convolution):
            return None
        conv = convolution_of(call, model)
        name = f"F.conv_transpose{len(conv.stride)}d" if given["transposed"] else f"F.conv{len(conv.stride)}d"
        layer = of_convolution(conv, name)
        computed = layer.verdict.replace(
            "its weights are on the meta device", "its weights are computed in the forward"
        )
        return layer if _value(given["weight"], model) is not None else replace(layer, verdict=computed)
    if op == "pixel_shuffle":
        what = f"{_name(call, model, 'pixel_shuffle')} s{given['upscale_factor']}"
        return _of_shuffle(what, given["self"], shuffle_order(call), model)
    if op == "pixel_unshuffle":
        return Layer(
            "strided", f"{_name(call, model, op)} s{given['downscale_factor']}", hole_fraction=0.0, verdict="even"
        )
    if "upsample_" in op:
        return _of_interpolation(call, model)
    if op.startswith(("max_unpool", "grid_sampler")):
        if op.startswith("grid"):
            return Layer(
                "upsampling", call.name or "F.grid_sample", verdict="not measured: it samples where its grid says"
            )
        return _unpooling(_name(call, model, op))
    if op.startswith(("avg_pool", "max_pool")) and "backward" not in op:
        module = _module_of(call, model)
        if type(module).__module__ == "torch.nn.modules.pooling":
            return None
        axes = len(given["self"].shape) - 2
        kernel, stride, dilation = (_along(given.get(key) or 1, axes) for key in ("kernel_size", "stride", "dilation"))
        if not given.get("stride"):
            stride = kernel
        return of_pooling(call.name or f"F.{op[:8]}{axes}d", axes, kernel, stride, dilation)
    return None


def _module_of(call: Call, model: nn.Module) -> nn.Module:
    """The module whose forward makes the call; the model itself where only an exported program remembers it."""
    known = dict(model.named_modules())
    return known.get(call.path, model)


def _name(call: Call, model: nn.Module, function: str) -> str:
    """What the call is called: the class of torch's module that makes it, or the function's name."""
    if call.name:
        return call.name
    module = _module_of(call, model)
    torchs = type(module).__module__.startswith("torch.nn.modules")
    return type(module).__name__ if torchs and not [*module.children()] else f"F.{function}"


def _along(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values


def _value(value: Any, model: nn.Module) -> Tensor | None:
    """A parameter or buffer, or what moving one gives; None for what is computed."""
    if not isinstance(value, Value):
        return None
    root = root_of(value)
    if root.parameter is None:
        return None
    owner, _, name = root.parameter.rpartition(".")
    tensor = getattr(model.get_submodule(owner), name)
    return replay(value, root, tensor.detach())


def convolution_of(call: Call, model: nn.Module) -> Transposed | Convolution:
    """The call as torch's own layer: the module that makes it, or one with the same settings and weights.

    Weights that are computed in the forward are on the meta device.
    """
    module = _module_of(call, model)
    if isinstance(module, Transposed | Convolution) and is_plain(module):
        return module
    given, shape = call.given, call.given["weight"].shape
    axes, groups, transposed = len(shape) - 2, given["groups"], given["transposed"]
    kinds: dict[int, Any] = TRANSPOSED if transposed else CONVOLUTIONS
    settings = {key: _along(given[key], axes) for key in ("stride", "padding", "dilation")}
    if transposed:
        settings["output_padding"] = _along(given["output_padding"], axes)
    channels = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
    conv = kinds[axes](*channels, shape[2:], groups=groups, bias=given["bias"] is not None, device="meta", **settings)
    weight, bias = _value(given["weight"], model), _value(given["bias"], model)
    if weight is not None:
        conv.weight = nn.Parameter(weight)
        conv.bias = None if bias is None else nn.Parameter(bias)
    return conv


def deals_out(root: Value, order: Tensor, model: nn.Module) -> Convolution | None:
    """The convolution, or the linear layer as one of kernel 1, whose answer `root` is; None where it is neither."""
    call = root.made_by
    if call is None:
        return None
    if call.op == "convolution" and not call.given["transposed"]:
        conv = convolution_of(call, model)
        return conv if isinstance(conv, Convolution) else None
    if call.op not in ("mm", "addmm"):
        return None
    weight = _value(call.given["mat2"], model)
    if weight is None:
        return None
    axes = order.dim() - 1
    kind: Any = CONVOLUTIONS[axes]
    matrix: Convolution = kind(*weight.shape, 1, bias=call.op == "addmm", device="meta")
    matrix.weight = nn.Parameter(weight.T.reshape(-1, len(weight), *[1] * axes))
    if call.op == "addmm":
        bias = _value(call.given["self"], model)
        matrix.bias = None if bias is None else nn.Parameter(bias.expand(len(matrix.weight)))
    return matrix


def _of_shuffle(what: str, root: Value, order: Tensor, model: nn.Module) -> Layer:
    conv = deals_out(root, order, model)
    if conv is None:
        return Layer("upsampling", what, verdict=NO_CONVOLUTION)
    made = root.made_by
    linear = made is not None and made.op != "convolution"
    fed = (
        f"Linear {conv.in_channels}->{conv.out_channels}"
        if linear
        else (
            f"{type(conv).__name__.removeprefix('Parametrized')} {conv.in_channels}->{conv.out_channels} "
            f"k{short(conv.kernel_size)}"
        )
    )
    what = f"{what} after {fed}"
    strides = _order_words(order)
    what = f"{what}{strides}"
    if why := unreadable(conv.weight, conv.bias):
        if conv.weight.is_meta and made is not None and _value(made.given.get("weight"), model) is None:
            why = "its weights are computed in the forward"
        return Layer("upsampling", what, verdict=f"not measured: {why}")
    try:
        return of_phases(what, shuffled(conv, order), CALIBRATE)
    except TypeError as error:
        return Layer("upsampling", what, verdict=f"not measured: {error}")


def _order_words(order: Tensor) -> str:
    """In which order the features hold channels and places, where it is not PixelShuffle's."""
    scale = order.shape[1:]
    if torch.equal(order, torch.arange(order.numel()).view(order.shape)):
        return ""
    if torch.equal(order, torch.arange(order.numel()).view(*scale, -1).movedim(-1, 0)):
        return ", channels last"
    return ", channels in an order of its own"


def _of_interpolation(call: Call, model: nn.Module) -> Layer | None:
    """Interpolation weights sum to one, so every mode keeps a constant; images take the scale to tell."""
    before, after = call.given["self"].shape[2:], call.results[0].shape[2:]
    factors = [b / a for a, b in zip(before, after, strict=True)]
    antialiased = call.op.endswith("_aa")
    mode = call.op.lstrip("_").removeprefix("upsample_").removesuffix("_aa")[:-2].replace("_", "-")  # without "2d"
    where = "align_corners" if call.given.get("align_corners") else call.given.get("coordinates", "")
    words = f"{_name(call, model, 'interpolate')} {mode}"
    if max(factors) <= 1:
        return None if min(factors) == 1 else _of_reduction(words, mode, factors, antialiased)
    what = f"{words} s{'x'.join(f'{factor:g}' for factor in (factors[:1] if len(set(factors)) == 1 else factors))}"
    plain = all(factor == int(factor) for factor in factors) and not where and not antialiased
    imaging = None
    if plain:
        layer = nn.Upsample(scale_factor=tuple(factors), mode=mode)
        parts = measured_polyphase(layer, 1, len(factors))
        imaging = None if parts is None else imaging_of(gain_of(parts))
    return Layer("upsampling", f"{what} {where}".rstrip(), None, 0.0, 0.0, 0.0, 0.0, imaging, verdict="even")


def _of_reduction(words: str, mode: str, factors: list[float], antialiased: bool) -> Layer | None:
    """Interpolation to a smaller size: what it reads."""
    strides = [round(1 / factor) for factor in factors]
    what = f"{words} s1/{short(strides)}"
    if antialiased:
        return Layer("strided", what, hole_fraction=0.0, verdict="even")
    taps = {"nearest": 1, "nearest-exact": 1, "linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4}[mode]
    unread = 1 - prod(min(1.0, taps * factor) for factor in factors)
    if not unread:
        return Layer("strided", what, hole_fraction=0.0, verdict="even")
    mend = "antialias=True, or average-pool by the stride"
    return Layer("strided", what, hole_fraction=unread, verdict=f"never reads {unread:.0%} of its input", mend=mend)


def _of_slices(found: Trace) -> Iterator[tuple[str, Layer]]:
    """Slicing by steps: what of a tensor is read, all its slices together."""
    read: dict[int, list[tuple[Call, dict[int, tuple[int, int]]]]] = {}
    inner = set()
    for call in found.calls:
        if call.op != "slice":
            continue
        steps: dict[int, tuple[int, int]] = {}
        value = call.results[0]
        while value.made_by is not None and value.made_by.op == "slice":
            given = value.made_by.given
            step, axis = given.get("step", 1), given.get("dim", 0) % len(value.shape)
            if step > 1:
                start, further = steps.get(axis, (0, 1))  # of the slices of this slice
                steps[axis] = (given.get("start") or 0) + step * start, step * further
                inner.add(id(given["self"]))
            value = given["self"]
        if steps and min(steps) > 0 and len(value.shape) > 2:
            read.setdefault(id(value), []).append((call, steps))
    for slices in read.values():
        last = [(call, steps) for call, steps in slices if id(call.results[0]) not in inner]
        offsets = {tuple((axis, start % step) for axis, (start, step) in sorted(steps.items())) for _, steps in last}
        call, steps = last[0]
        strides = [step for _, (_, step) in sorted(steps.items())]
        what = f"slicing by steps of {short(strides)} along axes {', '.join(map(str, sorted(steps)))}"
        whole = {tuple(zip(sorted(steps), r, strict=True)) for r in product(*map(range, strides))}
        unread = 1 - len(offsets & whole) / len(whole)
        if not unread:
            yield call.path, Layer("strided", what, hole_fraction=0.0, verdict="even")
        else:
            mend = "average-pool by the stride, or blur first (Zhang 2019)"
            yield (
                call.path,
                Layer(
                    "strided", what, hole_fraction=unread, verdict=f"never reads {unread:.0%} of its input", mend=mend
                ),
            )
