"""What a model's forward methods call, found by torch.fx without running the model."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

OPERATORS = "upsample.operators"  # where this project's own layers are defined: each is one thing, not its insides


@dataclass(frozen=True)
class Call:
    """One call of a function or module, where tracing met it."""

    path: str  # of the module whose forward makes the call, "" for the model itself
    target: Callable[..., Any] | str  # the function, the method's name, or the dotted name of the module called
    args: tuple[Any, ...]  # constants as they are, everything computed as fx.Node
    kwargs: dict[str, Any]
    fed_by: str | None  # dotted name of the module whose output is the first argument, if it is one's


@dataclass
class Trace:
    """Every call that could be seen, and where the view ended."""

    calls: list[Call] = field(default_factory=list)
    unseen: list[tuple[str, str, str]] = field(default_factory=list)  # (path, class, why its forward is not seen)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """torch's own modules, TorchScript and this project's operators are called, not entered."""
        return (
            is_operator(m) or isinstance(m, torch.jit.ScriptModule) or super().is_leaf_module(m, module_qualified_name)
        )


def is_operator(module: nn.Module) -> bool:
    """Whether the module is one of this project's upsampling operators."""
    return type(module).__module__.startswith(OPERATORS)


def trace(model: nn.Module) -> Trace:
    """Trace the model; where a forward cannot be traced, note why and trace its children one by one."""
    found = Trace()
    _trace(model, "", found)
    return found


def _graph(tracer: fx.Tracer, module: nn.Module) -> fx.Graph:
    """With a symbol for every argument; where that fails, with the optional ones at their defaults."""
    try:
        return tracer.trace(module)
    except Exception:
        parameters = inspect.signature(module.forward).parameters.values()
        optional = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
        if not optional:
            raise
        return tracer.trace(module, concrete_args=optional)


def _trace(module: nn.Module, path: str, found: Trace) -> None:
    tracer = _Tracer()
    if isinstance(module, torch.jit.ScriptModule):
        return
    has_forward = type(module).forward is not nn.Module.forward  # nn.ModuleList, for one, has none
    if has_forward and tracer.is_leaf_module(module, path):
        return
    graph = None
    if has_forward:
        try:
            graph = _graph(tracer, module)
        except Exception as error:  # whatever the model's own code raises when it is fed symbols
            reason = str(error).strip().splitlines() or [type(error).__name__]
            found.unseen.append((path, type(module).__name__, reason[0]))
    if graph is None:
        for name, child in module.named_children():
            _trace(child, f"{path}.{name}".lstrip("."), found)
        return
    for node in graph.nodes:
        if node.op in ("call_function", "call_module", "call_method"):
            inside, _ = tracer.node_name_to_scope.get(node.name, ("", None))
            source: Any = node.args[0] if node.args else None
            called = isinstance(source, fx.Node) and source.op == "call_module"
            fed_by = f"{path}.{source.target}".lstrip(".") if called else None
            target = f"{path}.{node.target}".lstrip(".") if node.op == "call_module" else node.target
            found.calls.append(Call(f"{path}.{inside}".strip("."), target, node.args, node.kwargs, fed_by))
