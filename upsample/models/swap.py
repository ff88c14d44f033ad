"""Replace the transposed convolutions of any model by another upsampling operator."""

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
from upsample.models.least_squares import channels_of, match, relative_error
from upsample.models.tracing import is_operator, trace


@dataclass(frozen=True)
class Swap:
    """What became of one transposed convolution of stride 2 or more."""

    names: tuple[str, ...]  # its dotted names in the model; several where modules share it
    error: float | None  # |new - old| / |old| of the answers to white noise; None where it was kept
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
    model: nn.Module, upsample: str | Callable[[int, int, Scale], nn.Module], initialise: str = "match"
) -> list[Swap]:
    """Replace every transposed convolution of stride 2 or more in `model`, in place, keeping all shapes.

    upsample: the name of an operator, or what is called as upsample(in_channels, out_channels, scale) to build
    the new layer, such as functools.partial(build, "deconv", balanced=True). Of images with one stride the scale is
    a whole number, of any other layer a tuple with one for each axis, which not every operator takes.
    initialise: "match" sets its weights so that it answers as nearly as it can like the old one (see
    upsample.models.least_squares), so that a trained network keeps most of its score; "fresh" leaves them as built.

    An operator of this project that is a transposed convolution is replaced whole. A layer that several modules share
    is replaced by one they share. Kept, with the reason: layers with a forward or hooks of their own, or whose
    weights are lazy, on the meta device, complex, not finite, partly frozen, shared with another layer, or used
    without calling the layer; and those that the operator cannot be built for. The old layer's device, dtype,
    training mode and requires_grad pass on. Parameter names change: load old checkpoints before.
    Returns what became of each layer; the error is measured against the layer itself. Raises ValueError for another
    `initialise`, for a model that is itself the layer, and for what `upsample` refuses; then nothing has been replaced.
    """
    if initialise not in ("match", "fresh"):
        raise ValueError(f"swap: initialise must be match or fresh, not '{initialise}'")
    if isinstance(model, Transposed) or _enlarges(model):
        raise ValueError("swap replaces layers inside a model; this model is the layer itself: put it in nn.Sequential")
    make = partial(build, upsample) if isinstance(upsample, str) else upsample
    uncalled = _uncalled(model)
    done, built = [], []
    for old, names in _targets(model).items():
        reason = _reason(old, model, uncalled)
        parts = None if reason else phases_of(old)
        if parts is None:
            done.append(Swap(names, None, reason or "its answer depends on the content"))
            continue
        scale: Scale = parts.stride
        if len(parts.stride) == 2 and parts.stride[0] == parts.stride[1]:
            scale = parts.stride[0]
        out, channels = channels_of(parts)
        new = make(channels, out, scale)
        if isinstance(old, Transposed):
            new = InPlaceOf(new, old)
        done.append(Swap(names, _initialise(new, old, parts, initialise)))
        built.append((names, new))
    for names, new in built:
        for name in names:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
    return done


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


def _uncalled(model: nn.Module) -> set[str]:
    """The modules whose weights some other module's forward hands to a transposed convolution itself."""
    used = set()
    for call in trace(model).calls:
        weight = call.given.get("weight") if call.op == "convolution" else None
        owner = "" if weight is None or weight.parameter is None else weight.parameter.rpartition(".")[0]
        if owner and owner != call.path:
            used.add(owner)
    return used


def _reason(old: nn.Module, model: nn.Module, uncalled: set[str]) -> str:
    """Why a layer is kept, or nothing."""
    parameters = [*old.parameters()]
    if any(is_lazy(p) for p in parameters):
        return "it has no weights yet: run the model once on an input"
    if why := unreadable(*parameters):
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


def _initialise(new: nn.Module, old: nn.Module, parts: Polyphase, initialise: str) -> float:
    """Make `new` ready to stand where `old` stands; returns their relative error."""
    some: Any = next(old.parameters())
    new.cpu().double().eval()
    if initialise == "match":
        match(new, deepcopy(old).cpu().double().eval(), parts)
    error = relative_error(new, old, channels_of(parts)[1], len(parts.stride))
    new.to(some).train(old.training)
    new.requires_grad_(some.requires_grad)
    return error
