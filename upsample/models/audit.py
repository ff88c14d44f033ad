"""Check every upsampling and strided layer of anyone's model."""

import json
from dataclasses import asdict, dataclass, replace
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from upsample.models.layers import Layer, of_call, of_module
from upsample.models.tracing import Trace, is_operator, trace


@dataclass(frozen=True)
class Report:
    """What `audit` found. str() is a table, to_dict() holds only JSON's types."""

    layers: tuple[Layer, ...]
    unseen: tuple[str, ...]  # one sentence for everything that the audit could not look into

    def to_dict(self) -> dict[str, Any]:
        """{"layers": [one dict per layer], "unseen": [sentences]}."""
        return json.loads(json.dumps({"layers": [asdict(layer) for layer in self.layers], "unseen": self.unseen}))

    def __str__(self) -> str:
        head = ("layer", "what", "taps/phase", "holes", "imbalance", "images", "verdict")
        cells = [
            (
                layer.name or "(the model)",
                layer.what,
                " x ".join(" ".join(map(str, axis)) for axis in dict.fromkeys(layer.taps)) if layer.taps else "-",
                "-" if layer.hole_fraction is None else f"{layer.hole_fraction:.0%}",
                "-" if layer.imbalance is None else f"{layer.imbalance:.2f}",
                "-" if layer.imaging is None else f"{layer.imaging:.2f}",
                layer.verdict,
            )
            for layer in self.layers
        ]
        widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head) - 1)]
        width = max(100, get_terminal_size((140, 24)).columns)

        def line(row: tuple[str, ...]) -> str:
            return "  ".join([*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()

        lines = [line(head)]
        for kind in ("upsampling", "strided"):
            for layer, row in zip(self.layers, cells, strict=True):
                if layer.kind == kind:
                    lines.append(line(row))
                    if layer.also:
                        lines.append(f"    also called {', '.join(layer.also)}")
                    if layer.mend:
                        lines += wrap(f"    mend: {layer.mend}", width, subsequent_indent=" " * 10)
        up = [layer for layer in self.layers if layer.kind == "upsampling"]
        down = [layer for layer in self.layers if layer.kind == "strided"]
        lines += [
            "",
            f"{len(up)} upsampling and {len(down)} strided layers, "
            f"{sum(bool(layer.mend) for layer in self.layers)} with something to mend.",
            "taps/phase: kernel taps that reach each output phase of an axis. holes: pixels that none reaches.",
            "imbalance: the checkerboard on a constant, 0 is none. images: energy of spectral images / base band.",
            "Of strided layers, holes are input pixels never read, and the rest is of the gradient, their transpose.",
            *(f"not seen: {text}" for text in self.unseen),
        ]
        return "\n".join(lines)


def audit(model: nn.Module) -> Report:
    """List every upsampling and strided layer of `model` with its overlap, phase imbalance, verdict and mend.

    Found are transposed convolutions, pixel shuffles, nn.Upsample, max-unpooling, strided convolutions
    and pooling, and this project's operators, in nested, shared and sequential modules alike; and, by
    tracing with torch.fx, calls of F.interpolate, F.pixel_shuffle, F.conv_transpose*d, F.grid_sample and
    F.max_unpool*d. The model is not run or changed. What tracing could not follow is said in
    `Report.unseen`; upsampling written out by indexing or repetition is not recognised. Each layer is
    judged by itself: a low-pass after it may mend what it prints.
    """
    names: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    traced = trace(model)
    order: dict[str, int] = {}
    found: list[tuple[str, Layer | None]] = []
    unseen: list[str] = []
    closed: tuple[str, ...] = ()  # beginnings of names that are not looked into
    within: set[int] = set()  # modules that belong to an operator already listed
    for name, module in model.named_modules():
        order[name] = len(order)
        if id(module) in within or name.startswith(closed):
            continue
        if isinstance(module, torch.jit.ScriptModule):
            unseen.append(f"whatever is in {name or 'the model'}, which is TorchScript")
            closed = (*closed, f"{name}." if name else "")
            continue
        if any(is_lazy(p) for p in module.parameters(recurse=False)):
            unseen.append(f"{name} ({type(module).__name__}) has no weights yet: run the model once on an input")
            continue
        layer = of_module(module, _feeding(name, model, traced))
        also = tuple(n for n in names[id(module)] if n != name)
        found.append((name, layer and replace(layer, also=also)))
        if is_operator(module):
            within.update(id(part) for part in module.modules())
    found += [(call.path, of_call(call, model)) for call in traced.calls]
    untraced: dict[tuple[str, str], list[str]] = {}
    for path, kind, reason in traced.unseen:
        untraced.setdefault((kind, reason), []).append(path or "the model")
    for (kind, reason), paths in untraced.items():
        unseen.append(f"functions called in the forward of {', '.join(paths)} ({kind}): {reason}")
    layers = [replace(layer, name=name) for name, layer in found if layer is not None]
    layers = list(dict.fromkeys(layers))  # a module called twice calls the same functions twice
    return Report(tuple(sorted(layers, key=lambda layer: order[layer.name])), tuple(unseen))


def _feeding(name: str, model: nn.Module, traced: Trace) -> nn.Module | None:
    """The module whose output is what the module called `name` takes, if tracing saw one."""
    fed_by = next((call.fed_by for call in traced.calls if call.target == name), None)
    return None if fed_by is None else model.get_submodule(fed_by)
