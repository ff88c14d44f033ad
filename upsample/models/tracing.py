"""What a model's forward computes, operation by operation, followed on tensors that have shapes but no values.

The model runs under torch's FakeTensorMode, as `torch.export` does: whatever its forward calls (functions,
methods, indexing, einops) arrives as a few well-known aten operations, each with the module that called it.
Nothing is computed and the model is left as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

from upsample.models.evaluating import evaluating
from upsample.models.inputs import examples, required

OPERATORS = "upsample.operators"  # where this project's own layers are defined: each is one thing, not its insides

# Operations that only move values: what comes out is what went in, elsewhere.
MOVES = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "unsqueeze", "squeeze"),
    *("expand", "clone", "alias", "detach", "contiguous", "_to_copy", "lift_fresh", "movedim"),
    *("select", "slice", "split", "split_with_sizes", "unbind", "unflatten", "flatten", "swapaxes"),
}


@dataclass(eq=False)
class Value:
    """A tensor in the forward: given to it, a parameter's or buffer's, or made by a call."""

    shape: tuple[int, ...]
    made_by: "Call | None" = None
    parameter: str | None = None  # the dotted name of the parameter or buffer that it is
    number: int = 0  # which of the call's results


@dataclass(eq=False)
class Call:
    """One aten operation."""

    path: str  # of the module whose forward makes the call, "" for the model itself
    op: str  # its name, such as "convolution" or "slice"
    given: dict[str, Any]  # arguments by the schema's names, tensors as Values
    function: Any  # what computes it
    results: list[Value] = field(default_factory=list)
    name: str = ""  # what it is called where that is not torch, such as "Resize" in an ONNX graph


@dataclass
class Trace:
    """Every call that was seen, in order, and where the view ended."""

    calls: list[Call] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)  # of the model; none where it could not be followed whole
    size: tuple[int, ...] = ()  # of the input that it was followed with
    operators: bool = False  # whether what this project's operators call is among the calls
    unseen: list[tuple[str, str, str]] = field(default_factory=list)  # (path, class, why its forward is not seen)


def is_operator(module: nn.Module) -> bool:
    """Whether the module is one of this project's upsampling operators."""
    return type(module).__module__.startswith(OPERATORS)


def trace(model: nn.Module, example: tuple[Any, ...] | None = None, operators: bool = False) -> Trace:
    """Follow the model's forward, in evaluation mode, on `example`, or on inputs that its first layer would take.

    Where that fails, why is noted and its children are followed one by one. What this project's own operators
    call is left out unless `operators`.
    """
    found = Trace(operators=operators)
    with evaluating(model):
        _trace(model, "", example, found)
    return found


def _trace(module: nn.Module, path: str, example: tuple[Any, ...] | None, found: Trace) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        return
    own = type(module).forward is not nn.Module.forward  # nn.ModuleList, for one, has none
    if own and (
        (is_operator(module) and not found.operators)
        or (type(module).__module__.startswith("torch.nn.") and not [*module.children()])
    ):
        return  # listed as what it is
    if own:
        reason = f"its forward takes {' and '.join(required(module))}: give an example of them"
        guesses = [example] if example is not None else [*examples(module)]
        for i, inputs in enumerate(guesses):
            try:
                _follow(module, path, inputs, found)
                return
            except Exception as error:  # whatever the model's own code raises when it is fed tensors without values
                reason = _sentence(error) if i == 0 else reason
        found.unseen.append((path, type(module).__name__, reason))
    for name, child in module.named_children():
        _trace(child, f"{path}.{name}".lstrip("."), None, found)


def _sentence(error: Exception) -> str:
    if "DataDependent" in type(error).__name__ or "data-dependent" in str(error):
        return "it decides by values, which are not there before the model runs"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _follow(module: nn.Module, path: str, inputs: tuple[Any, ...], found: Trace) -> None:
    """Append what `module` calls to what was found; raises whatever its forward raises, then nothing is appended."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # takes half a second to import

    recorder = _Recorder(path, found.operators)
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        fake = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        fakes: dict[int, Tensor] = {}  # by id, so that shared weights stay shared

        def without_values(tensor: Tensor) -> Tensor:
            if id(tensor) not in fakes:
                fakes[id(tensor)] = fake.from_tensor(tensor.detach(), static_shapes=True)
            return fakes[id(tensor)]

        fed = tree_map_only(Tensor, without_values, inputs)
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            value = Value(tuple(tensor.shape), parameter=f"{path}.{name}".lstrip("."))
            recorder.known(without_values(tensor), value)
        stack.enter_context(_in_place(module, without_values))
        stack.enter_context(recorder)
        if isinstance(module, fx.GraphModule):
            outputs = _Named(module, recorder).run(*fed)
        else:
            stack.enter_context(recorder.paths_of(module))
            outputs = module(*fed)
    found.calls += recorder.calls
    if not path:
        found.outputs = [recorder.value(tensor) for tensor in tree_iter(outputs) if isinstance(tensor, Tensor)]
        found.size = next((tuple(t.shape) for t in tree_iter(inputs) if isinstance(t, Tensor)), ())


@contextmanager
def _in_place(module: nn.Module, without_values: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While inside, the module's parameters and buffers have no values.

    (torch.func.functional_call leaves some behind where a module has two names.)
    """
    kept = [
        (each, dict(each._parameters), dict(each._buffers))
        for each in module.modules()
        if not isinstance(each, torch.jit.ScriptModule)
    ]
    try:
        for each, *_ in kept:
            held: tuple[dict[str, Any], ...] = (each._parameters, each._buffers)
            for own in held:
                own.update({name: without_values(tensor) for name, tensor in own.items() if tensor is not None})
        yield
    finally:
        for each, parameters, buffers in kept:
            each._parameters.update(parameters)
            each._buffers.update(buffers)


class _Recorder(TorchDispatchMode):
    """Notes every operation on its way to the fake tensors."""

    def __init__(self, path: str, operators: bool) -> None:
        super().__init__()
        self.operators = operators
        self.calls: list[Call] = []
        self.path = [path]
        self.inside_operator = 0
        self.values: dict[int, tuple[Tensor, Value]] = {}  # by id of a tensor, which is kept so that the id stays its

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to be skipped the compiler would be imported first, for seconds

    def known(self, tensor: Tensor, value: Value) -> None:
        self.values[id(tensor)] = (tensor, value)

    def value(self, tensor: Tensor) -> Value:
        """The value of a tensor; one that no call made is a new one."""
        if id(tensor) not in self.values:
            self.known(tensor, Value(tuple(tensor.shape)))
        return self.values[id(tensor)][1]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        if func.namespace in ("aten", "prims", "torchvision"):
            names = [argument.name for argument in func._schema.arguments]
            given = dict(zip(names, args, strict=False)) | kwargs
            given = {k: tree_map_only(Tensor, self.value, v) for k, v in given.items()}
            call = Call(self.path[-1], func._schema.name.partition("::")[2].removesuffix("_copy"), given, func)
            for number, tensor in enumerate(t for t in tree_iter(results) if isinstance(t, Tensor)):
                call.results.append(Value(tuple(tensor.shape), call, number=number))
                self.known(tensor, call.results[-1])
            if not self.inside_operator:
                self.calls.append(call)
        return results

    @contextmanager
    def paths_of(self, module: nn.Module) -> Iterator[None]:
        """While inside, the innermost module whose forward runs is known, and what operators and TorchScript call
        is left out."""
        handles, scripts = [], []
        for name, each in module.named_modules():
            path = f"{self.path[0]}.{name}".strip(".")

            closed = is_operator(each) and not self.operators

            def enter(*_: Any, path: str = path, closed: bool = closed) -> None:
                self.path.append(path)
                self.inside_operator += closed

            def leave(*_: Any, closed: bool = closed) -> None:
                self.path.pop()
                self.inside_operator -= closed

            if isinstance(each, torch.jit.ScriptModule):
                continue  # takes no hooks
            if name:
                handles.append(each.register_forward_pre_hook(enter))
                handles.append(each.register_forward_hook(leave, always_call=True))
            scripts += [(each, n, m) for n, m in each._modules.items() if isinstance(m, torch.jit.ScriptModule)]
        try:
            for parent, name, script in scripts:
                parent._modules[name] = _Closed(script, self)
            yield
        finally:
            for parent, name, script in scripts:
                parent._modules[name] = script
            for handle in handles:
                handle.remove()


class _Closed(nn.Module):
    """Calls a TorchScript module unrecorded."""

    def __init__(self, script: nn.Module, recorder: _Recorder) -> None:
        super().__init__()
        self.call: Callable[..., Any] = script.__call__  # not as a child, which it is already
        self.recorder = recorder

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.inside_operator += 1
        try:
            return self.call(*args, **kwargs)
        finally:
            self.recorder.inside_operator -= 1


class _Named(fx.Interpreter):
    """Runs an exported program's graph, whose nodes know the modules that they come from."""

    def __init__(self, module: fx.GraphModule, recorder: _Recorder) -> None:
        super().__init__(module)
        self.recorder = recorder

    def run_node(self, n: fx.Node) -> Any:
        stack = n.meta.get("nn_module_stack") or {}
        self.recorder.path[-1] = [*stack.values()][-1][0] if stack else ""
        return super().run_node(n)


def root_of(value: Value) -> Value:
    """Where the values come from that `value` holds: itself, or what was moved to make it."""
    while value.made_by is not None and value.made_by.op in MOVES:
        source = value.made_by.given["self"]
        assert isinstance(source, Value)
        value = source
    return value


def replay(value: Value, root: Value, tensor: Tensor) -> Tensor:
    """What `value` would hold if its `root_of` held `tensor`: the moves done again."""
    if value is root:
        return tensor
    call = value.made_by
    assert call is not None
    moved = replay(call.given["self"], root, tensor)
    if call.op == "_to_copy":
        return moved
    rest = {name: given for name, given in call.given.items() if name != "self"}
    results = call.function(moved, **rest)
    return results if isinstance(results, Tensor) else results[value.number]
