"""The layers of a model whose weights are dealt out to the pixels of a period: what can print a checkerboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from upsample.algebra.balance import Balanced, balanced_shuffle, balanced_transposed
from upsample.algebra.imbalance import Imbalance, imbalance_of
from upsample.algebra.polyphase import (
    Convolution,
    Polyphase,
    Transposed,
    as_convolution,
    is_plain,
    polyphase,
    shuffled,
)
from upsample.models.layers import short, unreadable
from upsample.models.rearranged import rearranged, shuffle_order
from upsample.models.tracing import Call, Trace, Value
from upsample.operators.lowpass import LowpassDeconv
from upsample.operators.pixel_shuffle import PixelShuffle


@dataclass(frozen=True, eq=False)
class Phased:
    """A transposed convolution, or a convolution or linear layer whose channels are dealt out to pixels."""

    names: tuple[str, ...]  # dotted names in the model; several where modules share it
    module: Any  # a ConvTranspose, Conv or Linear
    dealt: Tensor | None = None  # which channel becomes which, see `upsample.algebra.polyphase.shuffled`

    @property
    def name(self) -> str:
        """The first of its names, or what a model is called that is itself the layer."""
        return self.names[0] or "(the model)"

    @property
    def what(self) -> str:
        """Its settings in a few words."""
        kind = type(self.module).__name__.removeprefix("Parametrized")
        if self.dealt is not None:
            return f"{kind} dealt out to {'x'.join(map(str, self.dealt.shape[1:]))} pixels"
        return f"{kind} k{short(self.module.kernel_size)} s{short(self.module.stride)}"

    def phases(self) -> Polyphase:
        """Its phases as its weights are now."""
        if self.dealt is None:
            return polyphase(self.module)
        module = self.module
        return shuffled(
            as_convolution(module, self.dealt.dim() - 1) if isinstance(module, nn.Linear) else module, self.dealt
        )

    def imbalance(self) -> Imbalance:
        """See `upsample.algebra.imbalance`."""
        return imbalance_of(self.phases())

    def taps(self) -> int:
        """The fewest taps of an input channel that any phase has."""
        return min(part.kernel[0, 0].numel() for part in self.phases().phases.values())

    def balanced(self) -> dict[str, Balanced]:
        """Projections of its weight, and of a bias that differs from phase to phase, onto phases that answer alike."""
        if self.dealt is None:
            return {"weight": balanced_transposed(self.module)}
        weight, bias = balanced_shuffle(self.module, self.dealt)
        return {"weight": weight} if self.module.bias is None else {"weight": weight, "bias": bias}


def phased(model: nn.Module, followed: Trace) -> tuple[list[Phased], list[tuple[str, str]]]:
    """The layers of the model that have phases, and (name, reason) of those whose weights cannot be changed.

    followed: what its forward computes, as `upsample.models.tracing.trace(model, ..., operators=True)` tells, in
    which depth to space is found; what could not be followed is among the second. Layers that this project's
    own low-pass follows are left out: they print nothing.
    """
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    uses: dict[int, set[nn.Module]] = {}  # the modules that hold a parameter
    for module in names:
        for parameter in module.parameters(recurse=False):
            uses.setdefault(id(parameter), set()).add(module)
    smoothed = {part for module in names if _smooths(module) for part in module.modules()}
    candidates = [
        Phased(tuple(names[module]), module)
        for module in names
        if isinstance(module, Transposed) and max(module.stride) > 1 and module not in smoothed
    ]
    kept = [(path or "(the model)", f"what it calls is not seen: {why}") for path, _, why in followed.unseen]
    for source, dealt in _dealt_out(followed, names):
        if isinstance(source, str):
            kept.append((source or "(the model)", "what it deals out is not one layer's answer"))
        elif source not in smoothed and not any(each.module is source for each in candidates):
            candidates.append(Phased(tuple(names[source]), source, dealt))
    found = []
    for each in sorted(candidates, key=lambda each: [*names].index(each.module)):
        if reason := _fixed(each, uses):
            kept.append((each.name, reason))
        else:
            found.append(each)
    return found, kept


def _smooths(module: nn.Module) -> bool:
    """Whether the operator averages its phases whatever its weights."""
    return isinstance(module, LowpassDeconv) or (isinstance(module, PixelShuffle) and module.blur)


def _dealt_out(followed: Trace, names: dict[nn.Module, list[str]]) -> list[tuple[nn.Module | str, Tensor]]:
    """(module, which channel becomes which) of all that becomes pixels; its path where no one module makes it."""
    modules = {name: module for module, all_names in names.items() for name in all_names}

    def source(root: Value, call: Call) -> nn.Module | str:
        made = root.made_by
        module = modules.get(made.path) if made is not None and made.op in ("convolution", "mm", "addmm") else None
        return module if isinstance(module, Convolution | nn.Linear) else call.path

    found = [(source(each.root, each.call), each.order) for each in rearranged(followed)]
    for call in followed.calls:
        if call.op == "pixel_shuffle":
            found.append((source(call.given["self"], call), shuffle_order(call)))
    return found


def _fixed(layer: Phased, uses: dict[int, set[nn.Module]]) -> str:
    """Why the layer's weights cannot be changed, or nothing."""
    module = layer.module
    own = [*module.parameters(recurse=False)]
    if any(is_lazy(p) for p in own):
        return "it has no weights yet: run the model once on an input"
    if why := unreadable(module.weight, module.bias):
        return why
    if any(len(uses[id(p)]) > 1 for p in own):
        return "it shares its weights with another layer, which would change as well"
    plain = type(module).forward is nn.Linear.forward if isinstance(module, nn.Linear) else is_plain(module)
    if not plain or module._forward_pre_hooks or module._forward_hooks:
        return "it has a forward or hooks of its own"
    try:
        parts = layer.phases()
    except TypeError as error:
        return str(error)
    if any(part.kernel.numel() == 0 for part in parts.phases.values()):
        return "it has holes, which no weights fill"
    return ""


def followed_on(images: Tensor | Sequence[Any] | None) -> tuple[Any, ...] | None:
    """What to follow a forward with, out of a batch of images or a sequence of batches: the first image."""
    if images is None:
        return None
    batch = images if isinstance(images, Tensor) else images[0]
    return (batch[:1],)
