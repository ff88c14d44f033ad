"""Take the checkerboard out of a network in an ONNX file: the phases of its layers are made to answer flat areas alike.

Of all weights whose phases do, the nearest ones are written, into a new file that is otherwise the same byte by byte;
it is read back, checked and run beside the original before it takes its name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from upsample.models.flat_field import FlatField, flat_field_of
from upsample.models.period import period_of, scale_of
from upsample.models.phased import Phased, phased
from upsample.models.repair import EVEN, Repair, RepairedLayer, level_bias, of_biases, of_weights, project
from upsample.onnx_files.files import first_line, needs, read, store, tensors, written
from upsample.onnx_files.following import ON_META, Graph, follow
from upsample.onnx_files.running import Runtime

if TYPE_CHECKING:  # the instrument imports torchmetrics, which takes seconds
    from upsample.instrument.shifts import ShiftResult

SHIFTS = 4  # of each image


@dataclass(frozen=True)
class RepairedFile:
    """What `repair_onnx` did. str() is a page.

    repair      layer by layer
    path        of what was written; None where there was nothing to repair
    change      root mean square of the change of the output, over the output's deviation, on `fed`
    before      of the network's pattern: by shifting images where there are some, of constant colours where not
    after       the same of what was written
    unmeasured  why there are none
    """

    repair: Repair
    path: Path | None = None
    change: float | None = None
    fed: str = ""
    before: "ShiftResult | FlatField | None" = None
    after: "ShiftResult | FlatField | None" = None
    unmeasured: str = ""

    def __str__(self) -> str:
        lines = [str(self.repair)]
        if self.path is None:
            return "\n".join([*lines, "nothing was written"])
        lines.append(f"the output changed by {self.change:.2%} of its deviation on {self.fed}")
        for name, found in (("before", self.before), ("after", self.after)):
            if found is not None:
                lines += [f"{name}: {line}" for line in _words(found)]
        if self.unmeasured:
            lines.append(f"pattern of the whole network not measured: {self.unmeasured}")
        if self.before is not None and self.after is not None:
            lines.append(_decibels(self.before, self.after))
        return "\n".join([*lines, str(self.path)])


def repair_onnx(
    path: Path, output: Path | None = None, images: Sequence[Tensor] | None = None, size: Sequence[int] | None = None
) -> RepairedFile:
    """Write a copy of an ONNX file whose layers' phases answer flat areas alike; the file itself is left as it is.

    output  the file to write; None: NAME_repaired.onnx beside it. It holds all weights, those of files beside, too
    images  (C, H, W) each, as the network takes them, without labels: by them biases of layers whose phases have one
            tap are made to agree, and the network's fixed pattern is measured before and after by shifting them. None:
            constant colours are fed instead
    size    of the input, (N, C, *size), where the file leaves it open; None: 128 pixels
    What is kept, and why, is said as `upsample.repair` says it; weights cannot be fitted to the images, since ONNX
    Runtime gives no gradients. Raises ValueError, and writes nothing, where the file is no ONNX file, does not pass
    ONNX's own check or cannot be run, and where what was written is not what was meant.
    """
    needs("onnx", "onnxruntime")
    output = path.with_name(f"{path.stem}_repaired.onnx") if output is None else output
    if output.resolve() == path.resolve():
        raise ValueError(f"{output} is the file itself, which is left as it is; name another one")
    model, changed = read(path), read(path)
    _check(path, model)
    graph = follow(changed, None if size is None else tuple(size))
    layers, kept = _layers(graph)
    before = {layer: layer.imbalance().largest for layer in layers}
    uneven = [layer for layer in layers if before[layer] > EVEN]
    whole = [layer for layer in uneven if layer.dealt is None or layer.taps() > 1]
    biased = [layer for layer in uneven if layer not in whole]
    if images is not None:
        _level(model, graph, [layer for layer in biased if layer.module.bias is not None], images)
    with torch.no_grad():
        refused = project(whole)
    done = [layer for layer in whole if layer not in refused]
    report = [of_weights(layer, before[layer]) for layer in done]
    report += [of_biases(layer, before[layer], images is not None) for layer in biased]
    report += [RepairedLayer(layer.names, layer.what, None, None, why) for layer, why in refused.items()]
    report += [RepairedLayer((name,), "", None, None, why) for name, why in kept]
    repaired = Repair(tuple(replace(row, names=_named(row.names, graph)) for row in report))
    if not repaired.changed:
        return RepairedFile(repaired)
    touched = done + [layer for layer in biased if images is not None and layer.module.bias is not None]
    for layer in touched:
        _put(layer, graph)
    example = _example(graph, images)
    with written(changed, output) as part:
        again = read(part)
        _check(part, again)
        _same_but(model, again, {id(tensor) for tensor in _stored(touched, graph)}, changed)
        _as_meant(touched, again, graph)
        old, new = Runtime(model), Runtime(again)
        change = max(_change(old(x), new(x)) for x in example)
    fed = f"{len(example)} images" if images else "noise"
    result = RepairedFile(repaired, output, change, f"{fed} of {'x'.join(map(str, example[0].shape[2:]))} pixels")
    try:
        pair = [_pattern(network, graph, images) for network in (old, new)]
    except ValueError as error:
        return replace(result, unmeasured=str(error))
    return replace(result, before=pair[0], after=pair[1])


def _layers(graph: Graph) -> tuple[list[Phased], list[tuple[str, str]]]:
    """Those that have phases, and (name, reason) of those whose weights cannot be changed."""
    found, kept = phased(graph.layers, graph.trace)
    shared = [layer for layer in found if graph.shared & {*layer.names}]
    reasons = [(name, graph.reasons.get(name, why) if why == ON_META else why) for name, why in kept]
    reasons += [
        (layer.name, "something else in the graph uses its weights, and would change as well") for layer in shared
    ]
    return [layer for layer in found if layer not in shared], [
        (graph.names.get(name, name), why) for name, why in reasons
    ]


def _named(names: tuple[str, ...], graph: Graph) -> tuple[str, ...]:
    return tuple(graph.names.get(name, name) for name in names)


def _level(model: Any, graph: Graph, layers: list[Phased], images: Sequence[Tensor]) -> None:
    """Make the biases of layers agree on the mean of what the images bring to them."""
    if not layers:
        return
    inputs = [graph.inputs[layer.name] for layer in layers]
    runtime = Runtime(model, inputs)
    sums: dict[str, list[Tensor]] = {name: [] for name in inputs}
    for image in images:
        found = runtime.run(image[None])
        for layer, name in zip(layers, inputs, strict=True):
            axis = -1 if isinstance(layer.module, torch.nn.Linear) else 1
            sums[name].append(found[name].movedim(axis, -1).flatten(0, -2).double().mean(0))
    for layer, name in zip(layers, inputs, strict=True):
        level_bias(layer, torch.stack(sums[name]).mean(0))


def _stored(layers: list[Phased], graph: Graph) -> list[Any]:
    """The TensorProtos that hold the layers' weights."""
    kinds = [(layer.name, kind) for layer in layers for kind in ("weight", "bias")]
    return [graph.stored[pair] for pair in kinds if pair in graph.stored]


def _put(layer: Phased, graph: Graph) -> None:
    """Write a layer's weights into the model that it was read of."""
    for kind in ("weight", "bias"):
        tensor = graph.stored.get((layer.name, kind))
        if tensor is None:
            continue
        values = getattr(layer.module, kind)
        store(values.T if kind == "weight" and layer.name in graph.turned else values, tensor)


def _check(path: Path, model: Any) -> None:
    """Raise ValueError where ONNX's own check finds fault."""
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # of its own, of several kinds
        raise ValueError(f"{path} does not pass ONNX's own check: {first_line(error)}") from None


def _same_but(model: Any, again: Any, touched: set[int], changed: Any) -> None:
    """Raise ValueError where what was read back differs from the original elsewhere than in the tensors touched."""
    blank = [type(model)() for _ in range(2)]
    for copy, one in zip(blank, (model, again), strict=True):
        copy.CopyFrom(one)
        for tensor, here in zip(tensors(copy), tensors(changed), strict=True):
            if id(here) in touched:
                tensor.Clear()
    if blank[0] != blank[1]:
        raise ValueError("what was written differs from the original in more than the weights of the repaired layers")


def _as_meant(layers: list[Phased], again: Any, graph: Graph) -> None:
    """Raise ValueError where a layer that was read back does not hold the weights that were meant."""
    held = follow(again, graph.trace.size).layers
    for layer in layers:
        back = held.get_submodule(layer.name)
        for kind in ("weight", "bias"):
            meant, found = getattr(layer.module, kind), getattr(back, kind)
            if meant is not None and not torch.equal(meant, found):
                raise ValueError(f"the {kind} of {graph.names[layer.name]} did not come back as it was written")


def _example(graph: Graph, images: Sequence[Tensor] | None) -> list[Tensor]:
    """What both networks are run on: the first images, or noise."""
    if images:
        return [image[None] for image in images[:4]]
    return [torch.randn(graph.trace.size, generator=torch.Generator().manual_seed(0))]


def _change(old: Tensor, new: Tensor) -> float:
    """Root mean square of the change over the deviation; raises ValueError where the answer is of another kind."""
    if old.shape != new.shape or not torch.equal(old.isfinite(), new.isfinite()):
        raise ValueError("ONNX Runtime makes an output of another size, or infinite values, of what was written")
    finite = old.isfinite()
    return ((new - old)[finite].square().mean() / old[finite].var().clamp_min(1e-12)).sqrt().item()


def _pattern(network: Runtime, graph: Graph, images: Sequence[Tensor] | None) -> "ShiftResult | FlatField":
    """The network's fixed pattern, by shifting images; without images, of constant colours. Raises ValueError."""
    if images is None:
        return flat_field_of(network, graph.trace)
    from upsample.instrument.shifts import GridByShifting

    period, scale = period_of(graph.trace), scale_of(graph.trace)
    fixed = {n for n in network.shape[2:] if isinstance(n, int) and n > 0}
    if len(fixed) > 1:
        raise ValueError("shifted windows are squares, and the network takes images of one size that is none")
    metric = GridByShifting(period, scale=scale, shifts=SHIFTS, window=next(iter(fixed), None))
    for image in images:
        metric.update(network, image[None])
    return metric.result()


def _words(found: "ShiftResult | FlatField") -> list[str]:
    if isinstance(found, FlatField):
        return [line for line in str(found).splitlines() if not line.startswith("flat field")]
    from upsample.instrument.words import content, verdict

    return [verdict(found, "of the output"), content(found, "of the output")]


def _decibels(before: "ShiftResult | FlatField", after: "ShiftResult | FlatField") -> str:
    """How much less pattern there is."""
    one, other = _size(before), _size(after)
    if one is None or other is None:
        return "how much less pattern that is cannot be told"
    (amount, shown), (left, still) = one, other
    if not shown:
        return "no pattern was shown before, so nothing is gained: keep the original"
    if not left:
        return "nothing of the pattern is left"
    least = "" if still or isinstance(after, FlatField) else "at least "
    return f"the pattern is {least}{20 * math.log10(amount / left):.1f} dB less"


def _size(found: "ShiftResult | FlatField") -> tuple[float, bool] | None:
    """The rms of the pattern, or what it lies below, and whether it is shown; None where it was not measured."""
    if isinstance(found, FlatField):
        return None if found.drowned else (found.pattern, found.shown)
    if found.pattern is None or not found.pattern.tested:
        return None
    shown = found.pattern.shown
    return (found.pattern.overall[0].item() if shown else found.pattern.limit.max().item()), shown
