"""Check every upsampling and strided layer of anyone's model."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.parameter import is_lazy

from upsample.columns import columns
from upsample.models.calls import of_calls, of_unseen
from upsample.models.evaluating import evaluating
from upsample.models.layers import Layer, of_module
from upsample.models.tracing import is_operator, trace


@dataclass(frozen=True)
class Report:
    """What `audit` found. str() is a table, to_dict() holds only JSON's types."""

    layers: tuple[Layer, ...]
    unseen: tuple[str, ...]  # one sentence for everything that the audit could not look into

    def to_dict(self) -> dict[str, Any]:
        """{"layers": [one dict per layer], "unseen": [sentences]}."""
        return json.loads(json.dumps({"layers": [asdict(layer) for layer in self.layers], "unseen": self.unseen}))

    def __str__(self) -> str:
        head = ("layer", "what", "taps/phase", "holes", "imbalance", "worst", "images", "verdict")
        cells = [
            (
                layer.name or "(the model)",
                layer.what,
                " x ".join(" ".join(map(str, axis)) for axis in dict.fromkeys(layer.taps)) if layer.taps else "-",
                "-" if layer.hole_fraction is None else f"{layer.hole_fraction:.0%}",
                _number(layer.imbalance),
                _number(layer.worst),
                _number(layer.imaging if layer.kind == "upsampling" else layer.aliasing),
                layer.verdict,
            )
            for layer in self.layers
        ]
        width = max(100, get_terminal_size((140, 24)).columns)
        first, *rows = columns([head, *cells])
        lines = [first]
        for kind in ("upsampling", "strided"):
            for layer, row in zip(self.layers, rows, strict=True):
                if layer.kind == kind:
                    lines.append(row)
                    if layer.also:
                        lines.append(f"    also called {', '.join(layer.also)}")
                    if layer.mend:
                        lines += wrap(f"    mend: {layer.mend}", width, subsequent_indent=" " * 10)
        up = [layer for layer in self.layers if layer.kind == "upsampling"]
        down = [layer for layer in self.layers if layer.kind == "strided"]
        unmeasured = sum("not measured" in layer.verdict for layer in self.layers)
        lines += [
            "",
            f"{len(up)} upsampling and {len(down)} strided layers, "
            f"{sum(bool(layer.mend) for layer in self.layers)} with something to mend"
            + (f", {unmeasured} not measured." if unmeasured else "."),
            "taps/phase: kernel taps that reach each output phase of an axis. holes: pixels that none reaches.",
            "imbalance: the checkerboard on a constant, 0 is none; worst: of the output channel where it is largest.",
            "images: energy of spectral images / base band. Of strided layers, holes are input pixels never read,",
            "imbalance is of the gradient, their transpose, and images is the energy of aliases / base band.",
            *(f"not seen: {text}" for text in self.unseen),
        ]
        return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def audit(model: nn.Module | ExportedProgram, example: Tensor | Sequence[Any] | None = None) -> Report:
    """List every upsampling and strided layer of `model` with what it overlaps and prints, a verdict and a mend.

    Found are, over one, two and three axes: transposed and strided convolutions, pixel shuffles and
    unshuffles, interpolation, unpooling, pooling, slicing by steps, and depth to space by reshape and permute
    (einops, too), as modules and as functions; and this project's operators. Modules are read as they are
    registered; for functions the forward is followed on tensors without values, shaped like `example` (a
    tensor, or a sequence of what forward takes; None: what the first layer would take). The model is not
    computed or changed. What could not be followed is said in `Report.unseen`. Models in nn.DataParallel and
    torch.compile are looked into; an exported program is followed as it was exported.
    A layer is called even only where that was measured. Each is judged by itself: a low-pass after it may
    mend what it prints; `upsample.flat_field` tells what the whole model does.
    """
    fed = None if example is None else (example,) if isinstance(example, Tensor) else tuple(example)
    if isinstance(model, ExportedProgram):
        fed = fed or (model.example_inputs[0] if model.example_inputs else None)
        return _audit(model.module(check_guards=False), fed, "")
    prefix = ""
    while (attribute := _wraps(model)) and isinstance(inner := getattr(model, attribute), nn.Module):
        prefix, model = f"{prefix}{attribute}.", inner
    with evaluating(model):
        return _audit(model, fed, prefix)


def _wraps(model: nn.Module) -> str:
    """The name under which a wrapper holds the model, or nothing."""
    if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return "module"
    return "_orig_mod" if "_orig_mod" in model._modules else ""  # torch.compile's


def _audit(model: nn.Module, fed: tuple[Any, ...] | None, prefix: str) -> Report:
    found, unseen = _of_modules(model)
    traced = trace(model, fed)
    found += of_calls(traced, model)
    met = {call.path for call in traced.calls}
    rest = [(name, of_unseen(module)) for name, module in model.named_modules() if name not in met]
    found += [(name, layer) for name, layer in rest if layer is not None]
    untraced: dict[tuple[str, str], list[str]] = {}
    for path, kind, reason in traced.unseen:
        untraced.setdefault((kind, reason), []).append(prefix + path if prefix + path else "the model")
    for (kind, reason), paths in untraced.items():
        unseen.append(f"functions called in the forward of {', '.join(paths)} ({kind}): {reason}")
    order = {name: i for i, (name, _) in enumerate(model.named_modules())}
    found.sort(key=lambda pair: order.get(pair[0], len(order)))
    layers = [replace(layer, name=f"{prefix}{name}".rstrip(".")) for name, layer in found]
    return Report(tuple(dict.fromkeys(layers)), tuple(unseen))  # a module called twice calls the same functions twice


def _of_modules(model: nn.Module) -> tuple[list[tuple[str, Layer]], list[str]]:
    """(name, layer) of the modules that are one, and what could not be looked into."""
    names: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    found: list[tuple[str, Layer]] = []
    unseen: list[str] = []
    closed: tuple[str, ...] = ()  # beginnings of names that are not looked into
    within: set[int] = set()  # modules that belong to an operator already listed
    for name, module in model.named_modules():
        if id(module) in within or name.startswith(closed):
            continue
        if isinstance(module, torch.jit.ScriptModule):
            unseen.append(f"whatever is in {name or 'the model'}, which is TorchScript")
            closed = (*closed, f"{name}." if name else "")
            continue
        if any(is_lazy(p) for p in module.parameters(recurse=False)):
            unseen.append(f"{name} ({type(module).__name__}) has no weights yet: run the model once on an input")
            continue
        layer = of_module(module)
        if layer is not None:
            found.append((name, replace(layer, also=tuple(n for n in names[id(module)] if n != name))))
        if is_operator(module):
            within.update(id(part) for part in module.modules())
    return found, unseen
