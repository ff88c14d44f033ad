"""Check every upsampling and strided layer of a network in an ONNX file, without running it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from upsample.models.audit import Report
from upsample.models.calls import of_calls
from upsample.models.flat_field import FlatField, colours_of, flat_field_of
from upsample.models.layers import Layer, of_module
from upsample.onnx_files.files import read
from upsample.onnx_files.following import ON_META, Graph, follow
from upsample.onnx_files.running import Runtime


def audit_onnx(path: Path, size: Sequence[int] | None = None) -> Report:
    """List every layer of the file that enlarges or strides with what it overlaps and prints, a verdict and a mend.

    As `upsample.audit` does of modules; layers are named as the file names them. Weights are read where they are
    stored in the file, or in files beside it; of what the graph makes itself, such as quantised weights, the verdict
    says so. size: of the input, (N, C, *size); None: what the file says, 128 pixels where it leaves that open.
    Raises ValueError for what is no ONNX file.
    """
    return judged(follow(read(path), None if size is None else tuple(size)))


def judged(graph: Graph) -> Report:
    """The report of a graph that was followed."""
    found = [(key, of_module(layer)) for key, layer in graph.layers.named_children()]
    layers = [(key, layer) for key, layer in [*found, *of_calls(graph.trace, graph.layers)] if layer is not None]
    layers.sort(key=lambda pair: int(pair[0]))
    unseen: dict[tuple[str, str], list[str]] = {}
    for name, kind, why in graph.trace.unseen:
        unseen.setdefault((kind, why), []).append(name)
    sentences = [
        f"{kind} {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {why}"
        for (kind, why), names in unseen.items()
    ]
    return Report(tuple(_named(layer, key, graph) for key, layer in layers), tuple(sentences))


def _named(layer: Layer, key: str, graph: Graph) -> Layer:
    verdict = layer.verdict.replace(ON_META, graph.reasons.get(key, ON_META))
    return replace(layer, name=graph.names[key], verdict=verdict)


def flat_field_onnx(path: Path, size: Sequence[int] | None = None) -> FlatField:
    """Feed constant colours to the network, in ONNX Runtime, and measure what is not constant of its largest output.

    As `upsample.models.flat_field.flat_field` does of modules; what takes 8-bit images is fed colours from 0 to 255.
    Raises ValueError where it cannot be run, enlarges nothing, or its sizes are not known.
    """
    model = read(path)
    graph = follow(model, None if size is None else tuple(size))
    runtime, size = Runtime(model), graph.trace.size
    colours = (127.5 * (1 + colours_of(size[1]))).round() if runtime.kind == torch.uint8 and len(size) > 1 else None
    return flat_field_of(runtime, graph.trace, colours=colours)
