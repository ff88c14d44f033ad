"""An ONNX graph as what `upsample.models` judges: its layers as torch's own, and what it calls as a trace.

Nothing of the graph is computed but sizes. Convolutions and linear layers become torch's layers that hold the stored
weights; what enlarges, strides or only moves values becomes the calls of `upsample.models.tracing`. How a convolution
pads is left out: it decides which phase is which, and neither what they answer nor how far they differ.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from upsample.algebra.polyphase import CONVOLUTIONS, TRANSPOSED
from upsample.models.tracing import Call, Trace, Value, root_of
from upsample.onnx_files.files import READABLE, first_line, printable, values_of
from upsample.onnx_files.sizes import sizes

SIDE = 128  # pixels along each axis of an input whose size the file leaves open
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners")  # what torch's interpolation has too
ON_META = "its weights are on the meta device"  # how layers say that they hold none
CLOSED = ("If", "Loop", "Scan", "QLinearConv", "ConvInteger", "DeformConv")


@dataclass
class Graph:
    """What was read of an ONNX graph."""

    layers: nn.Module  # its convolutions and linear layers, by the keys below
    trace: Trace
    names: dict[str, str]  # of each operation, by its key: its number in the graph
    stored: dict[tuple[str, str], Any] = field(default_factory=dict)  # the TensorProto of (key, "weight" or "bias")
    reasons: dict[str, str] = field(default_factory=dict)  # why the weights behind an operation are not read
    shared: set[str] = field(default_factory=set)  # keys of layers whose weights something else uses as well
    turned: set[str] = field(default_factory=set)  # keys of linear layers whose matrix is stored (in, out)
    inputs: dict[str, str] = field(default_factory=dict)  # the value that a layer reads, by the layer's key


def follow(model: Any, size: tuple[int, ...] | None = None) -> Graph:
    """Read the graph of an onnx.ModelProto, for an input of this size; None: what the file says, else SIDE pixels."""
    return _Follower(model, size).graph


class _Follower:
    def __init__(self, model: Any, size: tuple[int, ...] | None) -> None:
        import onnx

        self.onnx = onnx
        graph = model.graph
        self.held = {tensor.name: tensor for tensor in graph.initializer}
        self.nodes = {output: node for node in graph.node for output in node.output}
        given = [value for value in graph.input if value.name not in self.held]
        trace = Trace(size=size or _size(given[0] if given else None), operators=True)
        names = {str(i): printable(node.name or node.output[0]) for i, node in enumerate(graph.node)}
        self.graph = Graph(nn.Module(), trace, names)
        try:
            self.shapes = sizes(model, trace.size)
        except Exception as error:  # of ONNX's own, of all kinds
            self.shapes = {}
            trace.unseen.append(("", "the graph", f"the sizes of its values cannot be told: {first_line(error)}"))
        self.uses = Counter(self.source(name) for node in graph.node for name in node.input)
        self.uses.update(self.source(value.name) for value in graph.output)
        self.values = {value.name: Value(self.shapes.get(value.name, ())) for value in given}
        for key, node in zip(names, graph.node, strict=True):
            try:
                self.add(key, node)
            except (IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
                trace.unseen.append((names[key], node.op_type, f"its settings are not understood: {first_line(error)}"))
        trace.outputs = [self.value(value.name) for value in graph.output]

    def source(self, name: str) -> str:
        """The name of what a value is a copy of."""
        while (node := self.nodes.get(name)) is not None and node.op_type == "Identity":
            name = node.input[0]
        return name

    def tensor(self, name: str) -> Any:
        """The TensorProto that a value is, or None."""
        name = self.source(name)
        node = self.nodes.get(name)
        if node is None or node.op_type != "Constant":
            return self.held.get(name)
        return next((a.t for a in node.attribute if a.name == "value"), None)

    def numbers(self, name: str) -> list[int] | None:
        """The whole numbers that a value is known to hold."""
        tensor = self.tensor(name)
        if tensor is None:
            return None
        return [int(n) for n in self.onnx.numpy_helper.to_array(tensor).flatten()]

    def value(self, name: str) -> Value:
        """The value of this name; one that nothing makes is a new one."""
        return self.values.setdefault(name, Value(self.shapes.get(name, ())))

    def call(self, key: str, node: Any, op: str, given: dict[str, Any], function: Any = None) -> Call:
        """Note a call whose first result is the node's."""
        call = Call(key, op, given, function, name=node.op_type)
        for number, name in enumerate(node.output):
            self.values[name] = Value(self.shapes.get(name, ()), call, number=number)
            call.results.append(self.values[name])
        self.graph.trace.calls.append(call)
        return call

    def add(self, key: str, node: Any) -> None:
        """Note what one node does."""
        settings = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        op, inputs = node.op_type, [*node.input]
        if node.domain not in ("", "ai.onnx") or op in CLOSED:
            kind = printable(f"{node.domain}.{op}".strip("."))
            self.graph.trace.unseen.append((self.graph.names[key], kind, "what it does is not looked into"))
            self.call(key, node, f"onnx.{op}", {str(i): self.value(name) for i, name in enumerate(inputs)})
        elif op in ("Conv", "ConvTranspose"):
            self.convolution(key, node, settings)
        elif op == "MatMul" or (op == "Gemm" and not settings.get("transA")):
            self.product(key, node, settings)
        elif op == "Add":
            self.sum(key, node)
        elif op in ("Resize", "Upsample"):
            self.resize(key, node, settings)
        elif op in ("DepthToSpace", "SpaceToDepth"):
            x = self.value(inputs[0])
            self.carry_reason(key, x)
            scale = settings["blocksize"]
            if op == "SpaceToDepth":
                self.call(key, node, "pixel_unshuffle", {"self": x, "downscale_factor": scale})
            else:
                mode = settings.get("mode", b"DCR").decode()
                call = self.call(key, node, "pixel_shuffle", {"self": x, "upscale_factor": scale, "mode": mode})
                call.name = f"DepthToSpace {mode}"
        elif op in ("MaxPool", "AveragePool"):
            axes = len(settings["kernel_shape"])
            given = {
                "self": self.value(inputs[0]),
                "kernel_size": settings["kernel_shape"],
                "stride": settings.get("strides", [1] * axes),
                "dilation": settings.get("dilations", [1] * axes),
            }
            self.call(key, node, "max_pool" if op == "MaxPool" else "avg_pool", given)
        elif op == "MaxUnpool":
            self.call(key, node, "max_unpool", {"self": self.value(inputs[0])})
        elif op == "GridSample":
            self.call(key, node, "grid_sampler", {"self": self.value(inputs[0])})
        else:
            self.moved(key, node, settings)

    def parameter(self, key: str, kind: str, name: str) -> nn.Parameter | None:
        """The weights of this name as a layer holds them; None, and a reason, where they are not read."""
        tensor = self.tensor(name)
        if tensor is None:
            made = self.nodes.get(self.source(name))
            how = f"made in the graph, by {made.op_type}" if made is not None else "an input of the graph"
            self.graph.reasons[key] = f"its {kind} is {how}"
        elif tensor.data_type not in READABLE:
            self.graph.reasons[key] = f"its {kind} is stored as {self.onnx.TensorProto.DataType.Name(tensor.data_type)}"
        else:
            self.graph.stored[key, kind] = tensor
            if self.uses[self.source(name)] > 1:
                self.graph.shared.add(key)
            return nn.Parameter(values_of(tensor), requires_grad=False)
        return None

    def convolution(self, key: str, node: Any, settings: dict[str, Any]) -> None:
        transposed = node.op_type == "ConvTranspose"
        tensor = self.tensor(node.input[1])
        shape = tuple(tensor.dims) if tensor is not None else self.shapes[node.input[1]]
        axes, groups = len(shape) - 2, settings.get("group", 1)
        stride, dilation = settings.get("strides", [1] * axes), settings.get("dilations", [1] * axes)
        kinds: dict[int, Any] = TRANSPOSED if transposed else CONVOLUTIONS
        channels = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
        biased = len(node.input) > 2 and node.input[2] != ""
        layer = kinds[axes](
            *channels, shape[2:], stride=stride, dilation=dilation, groups=groups, bias=biased, device="meta"
        )
        for kind, name in zip(("weight", "bias"), node.input[1:], strict=False):
            if name and (held := self.parameter(key, kind, name)) is not None:
                setattr(layer, kind, held)
        self.graph.layers.add_module(key, layer)
        self.graph.inputs[key] = node.input[0]
        given = {
            "input": self.value(node.input[0]),
            "weight": Value(shape, parameter=f"{key}.weight"),
            "bias": Value(shape[:1], parameter=f"{key}.bias") if biased else None,
            "stride": stride,
            "transposed": transposed,
            "groups": groups,
        }
        made = self.call(key, node, "convolution", given).results[0]
        if not made.shape:  # a size that is not known is one pixel, of which nothing is told
            made.shape = (1, channels[1], *[1] * axes)

    def product(self, key: str, node: Any, settings: dict[str, Any]) -> None:
        """A product with a stored matrix is a linear layer."""
        tensor = self.tensor(node.input[1])
        plain = settings.get("alpha", 1.0) == 1 and settings.get("beta", 1.0) == 1
        if tensor is None or len(tensor.dims) != 2 or tensor.data_type not in READABLE or not plain:
            self.moved(key, node, settings)
            return
        weight = self.parameter(key, "weight", node.input[1])
        assert weight is not None
        linear: Any = nn.Linear(1, 1, bias=False, device="meta")
        linear.weight = weight
        if not settings.get("transB"):
            linear.weight = nn.Parameter(weight.T.contiguous(), requires_grad=False)
            self.graph.turned.add(key)
        linear.out_features, linear.in_features = linear.weight.shape
        self.graph.layers.add_module(key, linear)
        self.graph.inputs[key] = node.input[0]
        matrix = Value(tuple(linear.weight.shape), parameter=f"{key}.weight")
        turned = Call(key, "t", {"self": matrix}, torch.t)
        given: dict[str, Any] = {"mat1": self.value(node.input[0]), "mat2": Value(matrix.shape[::-1], turned)}
        if len(node.input) > 2 and node.input[2]:
            linear.bias = self.parameter(key, "bias", node.input[2])
            given["self"] = Value(matrix.shape[:1], parameter=f"{key}.bias")
        self.call(key, node, "addmm" if "self" in given else "mm", given)

    def sum(self, key: str, node: Any) -> None:
        """A stored vector added to a product is the linear layer's bias."""
        for one, other in (node.input, reversed(node.input)):
            made, tensor = self.value(one).made_by, self.tensor(other)
            if made is None or made.op != "mm" or self.uses[one] > 1 or tensor is None or len(tensor.dims) != 1:
                continue
            linear: Any = self.graph.layers.get_submodule(made.path)
            linear.bias = self.parameter(made.path, "bias", other)
            if linear.bias is not None:
                given = {**made.given, "self": Value(tuple(linear.bias.shape), parameter=f"{made.path}.bias")}
                self.call(made.path, node, "addmm", given)
                return
        self.moved(key, node, {})

    def resize(self, key: str, node: Any, settings: dict[str, Any]) -> None:
        x, made = self.value(node.input[0]), self.shapes.get(node.output[0], ())
        if len(x.shape) not in (3, 4, 5) or len(made) != len(x.shape):
            self.graph.trace.unseen.append((self.graph.names[key], node.op_type, "from what to what size is not known"))
            self.moved(key, node, settings)
            return
        mode = settings.get("mode", b"nearest").decode()
        axes = len(x.shape) - 2
        torchs = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}.get(axes), "cubic": "bicubic"}
        where = settings.get("coordinate_transformation_mode", b"half_pixel").decode()
        if node.op_type == "Upsample":
            where = "asymmetric"
        odd = mode != "nearest" and (where not in COORDINATES or (mode == "cubic" and axes != 2))
        given = {"self": x, "align_corners": where == "align_corners", "coordinates": where if odd else ""}
        aa = "_aa" if settings.get("antialias") else ""
        self.call(key, node, f"upsample_{torchs.get(mode, mode)}{axes}d{aa}", given)

    def moved(self, key: str, node: Any, settings: dict[str, Any]) -> None:
        """A node that only moves values, or any other."""
        x = self.value(node.input[0]) if node.input else Value(())
        shape = self.shapes.get(node.output[0], ())
        self.carry_reason(key, x)
        if node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze") and shape and x.shape:
            self.call(key, node, "view", {"self": x, "size": shape}, lambda y, size: y.reshape(size))
        elif node.op_type == "Transpose" and x.shape:
            order = [*settings.get("perm", reversed(range(len(x.shape))))]
            self.call(key, node, "permute", {"self": x, "dims": order}, lambda y, dims: y.permute(dims))
        elif node.op_type in ("Identity", "Dropout", "Cast"):
            self.call(key, node, "_to_copy", {"self": x})
        elif node.op_type == "Slice" and self.sliced(key, node, x):
            return
        else:
            self.call(key, node, f"onnx.{node.op_type}", {str(i): self.value(n) for i, n in enumerate(node.input)})

    def sliced(self, key: str, node: Any, x: Value) -> bool:
        """Note a slice whose beginning and steps are stored, axis by axis; says whether they are."""
        if len(node.input) < 2 or not x.shape:  # before opset 10 slices had no steps
            return False
        starts, ends, axes, steps = (
            self.numbers(node.input[i]) if i < len(node.input) and node.input[i] else None for i in range(1, 5)
        )
        if starts is None or ends is None or steps is None or min(steps) < 1:
            return False
        for axis, start, end, step in zip(axes or range(len(starts)), starts, ends, steps, strict=False):
            n = x.shape[axis]
            first, last, _ = slice(start, end, step).indices(n)
            made = tuple(
                len(range(first, last, step)) if a == axis % len(x.shape) else m for a, m in enumerate(x.shape)
            )
            given = {"self": x, "dim": axis, "start": first, "end": last, "step": step}
            call = Call(key, "slice", given, torch.ops.aten.slice.Tensor, name="Slice")
            call.results.append(Value(made, call))
            self.graph.trace.calls.append(call)
            x = self.values[node.output[0]] = call.results[0]
        return True

    def carry_reason(self, key: str, x: Value) -> None:
        """What deals out a layer's answer is not measured for the same reason as the layer."""
        made = root_of(x).made_by
        if made is not None and made.path in self.graph.reasons:
            self.graph.reasons[key] = self.graph.reasons[made.path]


def _size(value: Any) -> tuple[int, ...]:
    """Of an input what the file says, one image, and SIDE pixels or three channels where it leaves them open."""
    if value is None:
        return ()
    dims = value.type.tensor_type.shape.dim
    open_sizes = [1, 3, *[SIDE] * max(0, len(dims) - 2)]
    return tuple(dim.dim_value if dim.dim_value > 0 else n for dim, n in zip(dims, open_sizes, strict=False))
