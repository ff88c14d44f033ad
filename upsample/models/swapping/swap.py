"""Replace what enlarges in any model, transposed convolutions and interpolations, by an upsampling operator."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from upsample.algebra.polyphase import Polyphase, Transposed, is_plain
from upsample.algebra.response import phases_of
from upsample.contract import Scale, build
from upsample.models.layers import unreadable
from upsample.models.swapping.interpolations import Enlarge, find, put
from upsample.models.swapping.least_squares import channels_of, match, relative_error
from upsample.models.tracing import is_operator, trace


@dataclass(frozen=True)
class Swap:
    """What became of one transposed convolution of stride 2 or more, or of one interpolation."""

    names: tuple[str, ...]  # its dotted names in the model, several where modules share it; of a call of F.interpolate
    # those of what took its place, or where it was kept of the module whose forward makes it
    error: float | None  # |new - old| / |old| of the answers to white noise; None where nothing was matched
    kept: str = ""  # why it was not replaced


class InPlaceOf(nn.Module):
    """An upsampling operator with the output size, and the alignment, of a transposed convolution that it replaces.

    The operator's output is `scale` times its input, centred on it. The old layer's differs from that
    by `extra` output pixels in size and `shift` in position: the input is padded with zeros, as a
    transposed convolution sees it, where the old output reached further out, and the output is cropped.
    """

    def __init__(self, upsample: nn.Module, old: Transposed) -> None:
        super().__init__()
        self.upsample, self.scale = upsample, tuple(old.stride)
        reach = [d * (k - 1) for d, k in zip(old.dilation, old.kernel_size, strict=True)]
        padding = [int(p) for p in old.padding]
        self.extra = [
            r + 1 + o - 2 * p - s for r, o, p, s in zip(reach, old.output_padding, padding, self.scale, strict=True)
        ]
        # Centres lie at scale*i + reach/2 - padding and at scale*i + (scale-1)/2; half a pixel is left to the weights.
        self.shift = [int((r - 2 * p - s + 1) / 2) for r, p, s in zip(reach, padding, self.scale, strict=True)]

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, *size) -> (N, out_channels, *the old layer's size), or of `output_size` as there."""
        inner, extra = x.shape[2:], self.extra
        if output_size is not None:
            wanted = output_size[-len(inner) :]
            extra = [size - s * n for size, s, n in zip(wanted, self.scale, inner, strict=True)]
        pads: list[int] = []  # of the input, and crops of the output, the last axis first
        crops: list[int] = []
        for s, before, e in zip(self.scale, self.shift, extra, strict=True):
            after = e - before  # output pixels wanted after the operator's own, as `before` before them
            margin = max(0, *(-(-side // s) for side in (before, after)))
            pads, crops = [margin, margin, *pads], [before - s * margin, after - s * margin, *crops]
        y = self.upsample(F.pad(x, pads) if any(pads) else x)
        return F.pad(y, crops) if any(crops) else y


def swap(
    model: nn.Module,
    upsample: str | Callable[[int, int, Scale], nn.Module],
    initialise: str = "match",
    example: Tensor | Sequence[Any] | None = None,
    keep: Sequence[str] = (),
) -> list[Swap]:
    """Replace what enlarges in `model`, in place, keeping all shapes: every transposed convolution of stride 2 or more,
    nn.Upsample, and every call of torch.nn.functional.interpolate that the source of a module's forward makes.

    upsample: the name of an operator, or what is called as upsample(in_channels, out_channels, scale) to build
    the new layer, such as functools.partial(build, "deconv", balanced=True). Of images with one stride the scale is
    a whole number, of any other layer a tuple with one for each axis, which not every operator takes.
    initialise: "match" sets its weights so that it answers as nearly as it can like the old one (see
    upsample.models.swapping.least_squares), so that a trained network keeps most of its score; "fresh" leaves them as
    built.
    example: a tensor, or a sequence of what forward takes, to follow the calls of interpolate with; None: what the
    first layer would take. keep: dotted names of submodules that are left alone, such as a pretrained encoder's.

    An operator of this project that is a transposed convolution is replaced whole. A layer that several modules share
    is replaced by one they share. Kept, with the reason: layers with a forward or hooks of their own, or whose
    weights are lazy, on the meta device, complex, not finite, partly frozen, shared with another layer, or used
    without calling the layer; those that the operator cannot be built for; and interpolations to a size that is no one
    whole number of times larger on two examples of different size. The old layer's device, dtype,
    training mode and requires_grad pass on. Parameter names change: load old checkpoints before.
    Returns what became of each layer; the error is measured against the layer itself. Raises ValueError for another
    `initialise`, for a model that is itself the layer, for a name in `keep` that is none, and for what `upsample`
    refuses; then nothing has been replaced.
    """
    if initialise not in ("match", "fresh"):
        raise ValueError(f"swap: initialise must be match or fresh, not '{initialise}'")
    if isinstance(model, Transposed | nn.Upsample) or _enlarges(model):
        raise ValueError("swap replaces layers inside a model; this model is the layer itself: put it in nn.Sequential")
    known = dict(model.named_modules())
    if absent := [name for name in keep if name not in known]:
        raise ValueError(f"swap: keep names {absent[0]}, which the model does not have")
    left = {part for name in keep for part in known[name].modules()}
    make = partial(build, upsample) if isinstance(upsample, str) else upsample
    fed = None if example is None else (example,) if isinstance(example, Tensor) else tuple(example)
    done, built = _of_layers(model, make, initialise, fed, left)
    more, layers, placed = _of_interpolations(model, make, initialise, fed, left)
    for names, new in built + layers:
        for name in names:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
    for module, turn, enlarge in placed:
        put(module, turn, enlarge)
    return done + more


Make = Callable[[int, int, Scale], nn.Module]
Built = list[tuple[tuple[str, ...], nn.Module]]  # (names, what takes the place there)


def _of_layers(
    model: nn.Module, make: Make, initialise: str, fed: tuple[Any, ...] | None, left: set[nn.Module]
) -> tuple[list[Swap], Built]:
    """What becomes of the layers that are transposed convolutions."""
    done: list[Swap] = []
    built: Built = []
    targets = {old: names for old, names in _targets(model).items() if old not in left}
    uncalled = _uncalled(model, fed) if targets else set()
    for old, names in targets.items():
        unmatched = isinstance(old, Transposed) and initialise == "fresh"  # whose values do not matter
        reason = _reason(old, model, uncalled, unmatched)
        parts = None if reason or unmatched else phases_of(old)
        if reason or (parts is None and not unmatched):
            done.append(Swap(names, None, reason or "its answer depends on the content"))
            continue
        if parts is None:
            layer: Any = old
            stride, channels, out = tuple(layer.stride), layer.in_channels, layer.out_channels
        else:
            stride, (out, channels) = parts.stride, channels_of(parts)
        new = make(channels, out, _scale(stride))
        if isinstance(old, Transposed):
            new = InPlaceOf(new, old)
        some = next(old.parameters())
        done.append(Swap(names, _ready(new, old, parts if initialise == "match" else None, some)))
        new.requires_grad_(some.requires_grad)
        built.append((names, new))
    return done, built


def _of_interpolations(
    model: nn.Module, make: Make, initialise: str, fed: tuple[Any, ...] | None, left: set[nn.Module]
) -> tuple[list[Swap], Built, list[tuple[nn.Module, int, Enlarge]]]:
    """What becomes of nn.Upsample, and of calls of F.interpolate: (module, turn, what answers there)."""
    done: list[Swap] = []
    built: Built = []
    placed: list[tuple[nn.Module, int, Enlarge]] = []
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    some = next(model.parameters(), torch.zeros(()))
    for found in find(model, fed, left):
        own = tuple(names[found.module])
        if found.kept:
            done.append(Swap(own, None, found.kept))
            continue
        new = make(found.channels, found.channels, _scale(found.scale))
        old = found.interpolation()
        parts = None if initialise == "fresh" or some.is_meta else found.phases()
        error = _ready(new, old.train(found.module.training), parts, some)
        if type(found.module).forward is nn.Upsample.forward and not _hooks(found.module):
            done.append(Swap(own, error))
            built.append((own, new))
        else:
            done.append(Swap(tuple(f"{name}.interpolations.{found.turn}".lstrip(".") for name in own), error))
            placed.append((found.module, found.turn, Enlarge(new, found.scale)))
    return done, built, placed


def _scale(stride: tuple[int, ...]) -> Scale:
    """As operators take it: one number for images with one stride."""
    return stride[0] if len(stride) == 2 and stride[0] == stride[1] else stride


def answer_like(new: nn.Module, old: nn.Module) -> tuple[float | None, str]:
    """Set the weights of an upsampling operator, in place, so that it answers as nearly as it can like another one.

    Returns |new - old| / |old| of the answers to white noise; or None and why nothing was set: the old one's answer
    depends on the content, or the new one is for other channels or another scale.
    """
    training, some = new.training, next(iter(old.parameters()), torch.zeros(()))
    if why := unreadable(*old.parameters()):
        return None, why
    try:
        parts = phases_of(old)
    except (ValueError, RuntimeError) as error:
        return None, f"the old one cannot be read off its answers ({error})"
    if parts is None:
        return None, "the old one's answer depends on the content"
    before, found = deepcopy(new.state_dict()), float("inf")
    try:
        new.cpu().double().eval()
        with torch.enable_grad():
            match(new, deepcopy(old).cpu().double().eval(), parts)
        found = relative_error(new, old, channels_of(parts)[1], len(parts.stride))
    except (ValueError, RuntimeError, TypeError, IndexError):  # whatever it makes of an input that is not its own
        pass
    new.to(some.dtype).train(training)
    if found < 1:
        return found, ""
    new.load_state_dict(before)
    return None, "it is for other channels, takes more than the old one's input, or cannot answer like it"


def _enlarges(module: nn.Module) -> bool:
    """Whether it is an operator of this project around a transposed convolution."""
    return is_operator(module) and any(isinstance(m, Transposed) and max(m.stride) > 1 for m in module.modules())


def _targets(model: nn.Module) -> dict[nn.Module, tuple[str, ...]]:
    """The layers to replace, operators whole, with all their names."""
    found: dict[nn.Module, tuple[str, ...]] = {}
    within: set[nn.Module] = set()
    for name, module in model.named_modules(remove_duplicate=False):
        if module in within:
            continue
        if _enlarges(module) or (isinstance(module, Transposed) and max(module.stride) > 1):
            found[module] = (*found.get(module, ()), name)
            within.update(part for part in module.modules() if part is not module)
    return found


def _uncalled(model: nn.Module, fed: tuple[Any, ...] | None) -> set[str]:
    """The modules whose weights some other module's forward hands to a transposed convolution itself."""
    used = set()
    for call in trace(model, fed).calls:
        weight = call.given.get("weight") if call.op == "convolution" else None
        owner = "" if weight is None or weight.parameter is None else weight.parameter.rpartition(".")[0]
        if owner and owner != call.path:
            used.add(owner)
    return used


def _reason(old: nn.Module, model: nn.Module, uncalled: set[str], unmatched: bool) -> str:
    """Why a layer is kept, or nothing. Where nothing is matched its values do not matter, and may be missing."""
    parameters = [*old.parameters()]
    if any(is_lazy(p) for p in parameters):
        return "it has no weights yet: run the model once on an input"
    if not (unmatched and parameters[0].is_meta) and (why := unreadable(*parameters)):
        return why
    if len({p.requires_grad for p in parameters}) > 1:
        return "it is partly frozen, and the new layer's weights are others"
    if len({(p.dtype, p.device) for p in parameters}) > 1:
        return "its weights are of several types or on several devices"
    if isinstance(old, Transposed):
        if not is_plain(old) or _hooks(old):
            return "it has a forward or hooks of its own"
        if any(m is old and name in uncalled for name, m in model.named_modules(remove_duplicate=False)):
            return "its weights are used without calling it"
    elif any(_hooks(m) for m in old.modules()):
        return "it has hooks"
    mine, within = {id(p) for p in parameters}, {*old.modules()}
    others = (m for m in model.modules() if m not in within)
    if any(id(p) in mine for m in others for p in m.parameters(recurse=False)):
        return "it shares its weights with another layer"
    return ""


def _hooks(module: nn.Module) -> bool:
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))


def _ready(new: nn.Module, old: nn.Module, parts: Polyphase | None, some: Tensor) -> float | None:
    """Make `new` ready to stand where `old` stands, on the device and of the dtype of `some`: with weights that answer
    like it where its phases are given, else as built. Returns their relative error, if they were matched."""
    error = None
    if parts is not None:
        new.cpu().double().eval()
        match(new, deepcopy(old).cpu().double().eval(), parts)
        error = relative_error(new, old, channels_of(parts)[1], len(parts.stride))
    if not some.is_meta:
        new.to(some)
    new.train(old.training)
    return error
