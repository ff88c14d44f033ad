"""Simplify a traced network for inference: what only weights decide is computed once, layers that compose are one."""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from upsample.algebra.fold import fold as fold_resize

aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d.default, aten.conv_transpose2d.input)


def inputs_of(node: fx.Node) -> dict[str, Any]:
    """The arguments of an ATen call by name, defaults included."""
    schema: Any = node.target._schema  # type: ignore[union-attr]  # of an ATen operation, as all calls here
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False))
    return {a.name: a.default_value for a in schema.arguments} | given | node.kwargs


class Folding:
    """The rewriting of one graph, in place."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.module, self.graph, self.count = graph, graph.graph, 0

    def calls(self, *targets: Any) -> Iterator[fx.Node]:
        """Calls of these functions that are still in the graph, in the order of execution."""
        for node in list(self.graph.nodes):
            if node.target in targets and not node._erased:
                yield node

    def value(self, node: Any) -> Any:
        """What a constant's node stands for."""
        return operator.attrgetter(str(node.target))(self.module) if isinstance(node, fx.Node) else node

    def is_constant(self, *values: Any) -> bool:
        """Whether all of these are weights or plain values."""
        return all(not isinstance(value, fx.Node) or value.op == "get_attr" for value in values)

    def constant(self, value: Tensor, before: fx.Node) -> fx.Node:
        """A new constant of the graph."""
        name, self.count = f"folded_{self.count}", self.count + 1
        self.module.register_buffer(name, value.detach().clone())  # no view: those are saved with all they look at
        with self.graph.inserting_before(before):
            return self.graph.get_attr(name)

    def replace(self, old: fx.Node, target: Any, x: fx.Node, weight: Tensor, bias: Tensor | None, *args: Any) -> None:
        """Put a convolution of x where `old` is."""
        constants = [None if tensor is None else self.constant(tensor, old) for tensor in (weight, bias)]
        with self.graph.inserting_before(old):
            new = self.graph.call_function(target, (x, *constants, *args))
        new.meta = old.meta  # the shape, which is the same
        old.replace_all_uses_with(new)
        self.graph.erase_node(old)

    def compute_constants(self) -> None:
        """Weights that are computed from weights (folded kernels, balanced or spectrally normalised ones)."""
        for node in list(self.graph.nodes):
            known = node.op == "call_function" and node.all_input_nodes and self.is_constant(*node.all_input_nodes)
            if known and isinstance(node.target, torch._ops.OpOverload):
                value = node.target(*fx.map_arg(node.args, self.value), **fx.map_arg(node.kwargs, self.value))
                if isinstance(value, Tensor):
                    node.replace_all_uses_with(self.constant(value, node))
                if not node.users:  # with the assertions about a weight's dtype, which hold
                    self.graph.erase_node(node)

    def resize_then_convolution(self) -> None:
        """Nearest-neighbour resize and convolution to one transposed convolution: `upsample.algebra.fold`."""
        for node in self.calls(aten.conv2d.default):
            conv: dict[str, Any] = inputs_of(node)
            resize: Any = node.args[0]
            if resize.target is not aten.upsample_nearest2d.vec or len(resize.users) > 1:
                continue
            x, _, factors = inputs_of(resize).values()
            whole = factors is not None and factors[0] == factors[1] == int(factors[0])
            if not whole or not self.is_constant(conv["weight"], conv["bias"]):
                continue
            weight, bias = self.value(conv["weight"]), self.value(conv["bias"])
            geometry = {key: conv[key] for key in ("stride", "padding", "dilation", "groups")}
            channels = (weight.shape[1] * conv["groups"], weight.shape[0])
            layer = nn.Conv2d(*channels, weight.shape[2:], **geometry, bias=bias is not None, device="meta")
            layer.weight, layer.bias = nn.Parameter(weight), None if bias is None else nn.Parameter(bias)
            try:
                one = fold_resize(layer, int(factors[0]))
            except ValueError:  # its kernel, stride, groups or padding do not fold
                continue
            target = aten.conv_transpose2d.input
            self.replace(node, target, x, one.weight, one.bias, list(one.stride), list(one.padding))

    def added_bias(self) -> None:
        """A constant per channel that is added to a convolution to its bias: see `operators.forms.transposed`."""
        for node in self.calls(aten.add.Tensor, aten.add_.Tensor):
            before: Any = node.args[0]
            added = node.args[1]
            if not isinstance(before, fx.Node) or before.target not in CONVOLUTIONS or len(before.users) > 1:
                continue
            if inputs_of(node)["alpha"] != 1:
                continue
            conv = inputs_of(before)
            channels = before.meta["val"].shape[1]
            if conv["bias"] is None and isinstance(added, fx.Node) and self.is_constant(added, conv["weight"]):
                value = self.value(added)
                if value.shape == (1, channels, 1, 1):
                    x, weight, _, *rest = conv.values()
                    self.replace(node, before.target, x, self.value(weight), value.flatten(), *rest)

    def convolution_then_norm(self) -> None:
        """BatchNorm's running statistics, scale and shift to the weights of the convolution before it."""
        for node in self.calls(aten.batch_norm.default):
            norm = inputs_of(node)
            before: Any = node.args[0]
            if before.target not in CONVOLUTIONS or len(before.users) > 1 or norm["training"]:
                continue
            x, weight, bias, *rest = (conv := inputs_of(before)).values()
            statistics = [norm[key] for key in ("running_mean", "running_var", "weight", "bias")]
            transposed = before.target is aten.conv_transpose2d.input
            if not self.is_constant(weight, bias, *statistics) or (transposed and conv["groups"] > 1):
                continue
            mean, variance, scale, shift = map(self.value, statistics)
            fused = fuse_conv_bn_weights(
                self.value(weight), self.value(bias), mean, variance, norm["eps"], scale, shift, transpose=transposed
            )
            self.replace(node, before.target, x, *fused, *rest)


def fold(graph: fx.GraphModule) -> fx.GraphModule:
    """Rewrite a network that `torch.export` traced in evaluation mode; it computes the same, up to rounding.

    graph  of ATen operations with weights as attributes, `torch.export.export(...).module()`; it is used up
    """
    folding = Folding(graph)
    with torch.no_grad():
        folding.compute_constants()
        folding.resize_then_convolution()
        folding.added_bias()
        folding.convolution_then_norm()
    graph.graph.eliminate_dead_code()
    return fx.GraphModule(graph, graph.graph)  # takes the weights that are still used
