"""The sizes of the values of an ONNX graph, for an input of a size, without running it.

ONNX's own inference does not divide. Graphs that pad to whole periods do, so what they compute with sizes, a few whole
numbers at a time, is computed here, and the inference goes on from the results.
"""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 64  # numbers that a computation with sizes has at most
ROUNDS = 16  # of inference and arithmetic: as many sizes that follow from each other
ARITHMETIC = {
    *("Identity", "Constant", "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Reshape", "Cast"),
    *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Floor", "Ceil", "Min", "Max"),
    *("Where", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Not"),
}
STORED = ("raw_data", "float_data", "double_data", "int32_data", "int64_data")


def sizes(model: Any, size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of values by name, as far as they can be told, where the first input of an onnx.ModelProto has this
    size. Raises whatever ONNX's inference raises."""
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(model)
    graph = light.graph
    known: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        if np.prod(tensor.dims, dtype=float) <= FEW:
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                known[tensor.name] = onnx.numpy_helper.to_array(tensor)
        else:
            for kept in STORED:
                tensor.ClearField(kept)
    del graph.value_info[:]
    for value in graph.output:  # what they were declared for the sizes that the file was made with
        value.type.tensor_type.ClearField("shape")
    held = {tensor.name for tensor in graph.initializer}
    for value in [value for value in graph.input if value.name not in held][:1]:
        value.type.tensor_type.ClearField("shape")
        for n in size:
            value.type.tensor_type.shape.dim.add().dim_value = n
    found: dict[str, tuple[int, ...]] = {}
    for _ in range(ROUNDS):
        found = inferred(onnx, light)
        if not computed(onnx, graph, found, known):
            break
    return found


def inferred(onnx: Any, model: Any) -> dict[str, tuple[int, ...]]:
    """The shapes that ONNX's own inference tells."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(dim.dim_value > 0 for dim in dims):
            found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def computed(onnx: Any, graph: Any, found: dict[str, tuple[int, ...]], known: dict[str, NDArray[Any]]) -> bool:
    """Put stored numbers in the place of nodes that compute with sizes; says whether there were any.

    found  shapes by name; known: the numbers of values by name, to which those are added
    """
    from onnx.reference import ReferenceEvaluator

    kept, before = [], len(known)
    for node in graph.node:
        given = [name for name in node.input if name]
        values: Any = None
        if node.domain not in ("", "ai.onnx"):
            pass
        elif node.op_type == "Shape" and given[0] in found:
            ends = {each.name: each.i for each in node.attribute}
            values = [np.array(found[given[0]][ends.get("start") : ends.get("end")], np.int64)]
        elif node.op_type in ARITHMETIC and known.keys() >= set(given):
            with contextlib.suppress(Exception):  # of ONNX's own, of all kinds: then it is not known
                values = ReferenceEvaluator(node).run(None, {name: known[name] for name in given})
        if values is None or any(np.size(value) > FEW for value in values):
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        for name, value in zip(node.output, values, strict=False):
            known[name] = np.asarray(value)
            graph.initializer.append(onnx.numpy_helper.from_array(known[name], name))
    if len(known) == before:
        return False
    del graph.node[:]
    graph.node.extend(kept)
    return True
