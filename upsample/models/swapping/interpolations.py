"""The interpolations that a model's forwards call: found, followed, and replaced where they stand.

A module whose forward calls `torch.nn.functional.interpolate` becomes one of a class made from its own, whose forward
is the same source but for these calls: each asks the module, by its turn in the forward pass, whether an operator has
taken its place. Nothing else of the module changes.
"""

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import floor
from types import FunctionType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from upsample.algebra.polyphase import Polyphase
from upsample.algebra.response import measured_polyphase
from upsample.models.inputs import examples
from upsample.models.tracing import Trace, is_operator, trace

TURNS = "_interpolate"  # the name, in a forward, of what answers its calls
LARGER = {1: (2,), 2: (2, 3), 3: (2, 3, 2)}  # by axes: how much larger the second example is


class Seen(NamedTuple):
    """One call of F.interpolate in a forward pass."""

    channels: int  # 0 where there is nothing to enlarge, or an operator does it already
    before: tuple[int, ...]  # sizes
    after: tuple[int, ...]
    how: dict[str, Any]  # mode, align_corners, antialias

    def factors(self) -> tuple[float, ...]:
        """Output pixels per input pixel, axis by axis."""
        return tuple(b / a for a, b in zip(self.before, self.after, strict=True))


class Found(NamedTuple):
    """A call that enlarges, of all passes through one module's forward."""

    module: nn.Module
    turn: int  # which of the calls in a pass, from 0
    channels: int
    scale: tuple[int, ...]  # () where it is kept
    how: dict[str, Any]
    kept: str  # why it cannot be replaced, or nothing

    def interpolation(self) -> nn.Upsample:
        """The call as a layer."""
        factors = tuple(map(float, self.scale))
        return nn.Upsample(scale_factor=factors, mode=self.how["mode"], align_corners=self.how["align_corners"])

    def phases(self) -> Polyphase:
        """Of the same interpolation with half-pixel centres: with aligned corners every pixel has weights of its own,
        and what comes nearest to them everywhere is that."""
        half = nn.Upsample(scale_factor=tuple(map(float, self.scale)), mode=self.how["mode"])
        parts = measured_polyphase(half, 1, len(self.scale))
        assert parts is not None  # every interpolation is linear, and the same everywhere
        many = {
            r: replace(part, kernel=part.kernel.repeat(self.channels, *[1] * (part.kernel.dim() - 1)), bias=None)
            for r, part in parts.phases.items()
        }
        return replace(parts, phases=many, groups=self.channels)


class Enlarge(nn.Module):
    """An upsampling operator in the place of a call of F.interpolate."""

    def __init__(self, upsample: nn.Module, scale: tuple[int, ...]) -> None:
        super().__init__()
        self.upsample, self.scale = upsample, scale

    def forward(self, x: Tensor, size: int | Sequence[int] | None = None, factor: Any = None) -> Tensor:
        """(N, C, *sizes) to (N, C, *scale * sizes), or to `size` where that is less than a whole step away: then the
        border is replicated, or cropped. Raises ValueError for any other size or factor."""
        axes = len(self.scale)
        if size is None:
            factors = (factor,) * axes if isinstance(factor, int | float) else tuple(factor)
            if tuple(map(float, factors)) != tuple(map(float, self.scale)):
                raise ValueError(f"the upsampler in place of an interpolation enlarges by {self.scale}, not {factors}")
            return self.upsample(x)
        wanted = (size,) * axes if isinstance(size, int) else tuple(size)
        if all(n * s == w for n, s, w in zip(x.shape[2:], self.scale, wanted, strict=True)):
            return self.upsample(x)
        margins = [-(-w // s) - n for n, s, w in zip(x.shape[2:], self.scale, wanted, strict=True)]
        if min(margins) < 0 or max(margins) > 1:
            raise ValueError(
                f"the upsampler in place of an interpolation enlarges {'x'.join(map(str, x.shape[2:]))} by "
                f"{self.scale}, which is not nearly {'x'.join(map(str, wanted))}: the input has a size that the "
                "model's strides do not divide"
            )
        pads = [pad for margin in reversed(margins) for pad in (0, margin)]
        y = self.upsample(F.pad(x, pads, mode="replicate") if any(pads) else x)
        return y[:, :, *(slice(w) for w in wanted)]


class Turns:
    """Answers the calls of one forward pass: by an operator where one has that turn, else by F.interpolate itself."""

    def __init__(self, module: Any) -> None:
        self.module, self.turn = module, 0
        self.seen: list[Seen] | None = None
        if (passes := getattr(module, "passes", None)) is not None:  # while the model is followed
            self.seen = []
            passes.append(self.seen)

    def __call__(
        self,
        input: Tensor,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> Tensor:
        """As F.interpolate."""
        turn, self.turn = str(self.turn), self.turn + 1
        replaced: Any = getattr(self.module, "interpolations", ())
        if turn in replaced:
            y = replaced[turn](input, size, scale_factor)
        else:
            y = F.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
        if self.seen is not None:
            how = {"mode": mode, "align_corners": align_corners, "antialias": antialias}
            channels = 0 if turn in replaced else input.shape[1]
            self.seen.append(Seen(channels, tuple(input.shape[2:]), tuple(y.shape[2:]), how))
        return y


def interpolated(module: nn.Module) -> Turns:
    """Of a module of a made class, what answers the calls of the pass that begins."""
    return Turns(module)


class _Calls(ast.NodeTransformer):
    """Puts the name TURNS in the place of whatever a function calls F.interpolate by."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known, self.count = known, 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        names, at = [], node.func
        while isinstance(at, ast.Attribute):
            names.append(at.attr)
            at = at.value
        value = self.known.get(at.id) if isinstance(at, ast.Name) else None
        for name in reversed(names):
            value = getattr(value, name, None)
        if value is F.interpolate:
            self.count += 1
            node.func = ast.copy_location(ast.Name(TURNS, ast.Load()), node.func)
        return node


_made: dict[type, Any] = {}


def asking(kind: type) -> Any:
    """The class like `kind` whose forward asks for each interpolation; None where its forward calls none, or where
    there is no source to be sure of: it is decorated, has a closure such as `super()` makes, or is not Python."""
    if kind not in _made:
        _made[kind] = kind if "published" in vars(kind) else _asking_class(kind)
    return _made[kind]


def _asking_class(kind: Any) -> Any:
    forward = kind.forward
    if not isinstance(forward, FunctionType) or forward.__closure__:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(forward)))
    except (OSError, TypeError, SyntaxError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or function.decorator_list or not function.args.args:
        return None
    calls = _Calls(forward.__globals__)
    calls.visit(function)
    if not calls.count:
        return None
    function.body[:0] = ast.parse(f"{TURNS} = {function.args.args[0].arg}.interpolated()").body
    for each in ast.walk(function):  # what a signature says was evaluated where the class was made
        if isinstance(each, ast.arg):
            each.annotation = None
    function.returns = None
    function.args.defaults = [ast.Constant(None) for _ in function.args.defaults]
    function.args.kw_defaults = [each and ast.Constant(None) for each in function.args.kw_defaults]
    ast.increment_lineno(tree, forward.__code__.co_firstlineno - 1)  # so that a traceback shows the line
    made: dict[str, Any] = {}
    code = compile(ast.fix_missing_locations(tree), forward.__code__.co_filename, "exec", dont_inherit=True)
    exec(code, forward.__globals__, made)  # the class's own source: nothing else is run
    new = made[function.name]
    new.__defaults__, new.__kwdefaults__ = forward.__defaults__, forward.__kwdefaults__
    body = {"forward": new, "interpolated": interpolated, "__reduce__": _reduced, "published": kind}
    return type(kind.__name__, (kind,), body | {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _reduced(module: Any) -> tuple[Any, ...]:
    """Of a module of a made class, how it is copied and pickled."""
    return remade, (module.published,), module.__dict__


def remade(kind: type[nn.Module]) -> nn.Module:
    """An empty module of the class made from `kind`."""
    made = asking(kind)
    return made.__new__(made)


def find(model: nn.Module, example: tuple[Any, ...] | None, left: set[nn.Module]) -> list[Found]:
    """The calls of F.interpolate that enlarge, in the order of the forward, with what each enlarges by.

    example  what the model is followed on; None: what its first layer would take. It is followed a second time on a
             larger one: what then enlarges by another factor enlarges to a size, as a global pooling is spread out
             again, and no operator can take its place
    left     modules whose forwards are not looked at
    """
    closed = {part for each in model.modules() if is_operator(each) for part in each.modules()} | left
    asked = [m for m in model.modules() if m not in closed and "forward" not in vars(m) and asking(type(m))]
    with _asking(asked):
        candidates = [example] if example is not None else [*examples(model)]
        first = next((each for fed in candidates if (each := follow(model, asked, fed)) is not None), None)
        if first is None:
            return [Found(m, 0, 0, (), {}, "the model's forward could not be followed: give an example") for m in asked]
        second = follow(model, asked, larger(first.fed))
    other = None if second is None else second.passes
    found = [each for module in first.passes for each in _of_module(module, first.passes, other)]
    return [*found, *_elsewhere(model, first, closed)]


class Followed(NamedTuple):
    """A model followed once."""

    fed: tuple[Any, ...]
    passes: dict[nn.Module, list[list[Seen]]]  # the calls of every pass through a module, which come as first met
    trace: Trace


def follow(model: nn.Module, asked: Sequence[nn.Module], fed: tuple[Any, ...]) -> Followed | None:
    """Follow the model's forward on an example; None where it does not take it."""
    passes: dict[nn.Module, list[list[Seen]]] = {}
    for module in asked:
        vars(module)["passes"] = _Passes(module, passes)
    try:
        traced = trace(model, fed)
    finally:
        for module in asked:
            del vars(module)["passes"]
    return None if any(path == "" for path, *_ in traced.unseen) else Followed(fed, passes, traced)


class _Passes:
    """Where the passes through one module go."""

    def __init__(self, module: nn.Module, passes: dict[nn.Module, list[list[Seen]]]) -> None:
        self.module, self.passes = module, passes

    def append(self, seen: list[Seen]) -> None:
        """Begin a pass."""
        self.passes.setdefault(self.module, []).append(seen)


def larger(example: tuple[Any, ...]) -> tuple[Any, ...]:
    """The example with every image, signal or volume twice as high, three times as wide."""

    def grown(x: Tensor) -> Tensor:
        sizes = [n * f for n, f in zip(x.shape[2:], LARGER.get(x.dim() - 2, ()), strict=False)]
        return torch.zeros(*x.shape[:2], *sizes, dtype=x.dtype, device=x.device) if sizes else x

    return tree_map_only(Tensor, grown, example)


def _of_module(
    module: nn.Module, one: dict[nn.Module, list[list[Seen]]], other: dict[nn.Module, list[list[Seen]]] | None
) -> Iterator[Found]:
    """What enlarges among the calls of one module."""
    passes = [*one[module], *(other or {}).get(module, [])]
    for turn in range(max(map(len, passes))):
        calls = [each[turn] for each in passes if turn < len(each)]
        if all(max(call.factors()) <= 1 or not call.channels for call in calls):
            continue  # made smaller, or left as it is
        scale, why = _scale(calls)
        if other is None:
            why = "it could not be followed at a second size, which might change its factor"
        elif len(calls) < len(passes):
            why = "not every pass through the forward calls it"
        yield Found(module, turn, calls[0].channels, () if why else scale, calls[0].how, why)


def _scale(calls: Sequence[Seen]) -> tuple[tuple[int, ...], str]:
    """By how much all calls enlarge; or why that is no one number."""
    factors = {call.factors() for call in calls}
    channels = sorted({call.channels for call in calls})
    if len(channels) > 1:
        return (), f"it is used for {' and for '.join(map(str, channels))} channels: give each a layer of its own"
    if len(factors) > 1:
        shown = " or ".join("x".join(f"{f:g}" for f in dict.fromkeys(each)) for each in sorted(factors))
        return (), f"it enlarges to a size, which is {shown} times as large: that depends on the image"
    (only,) = factors
    if any(f != floor(f) for f in only):
        return (), f"it enlarges by {'x'.join(f'{f:g}' for f in dict.fromkeys(only))}, which is no whole number"
    return tuple(map(int, only)), ""


def _elsewhere(model: nn.Module, followed: Followed, closed: set[nn.Module]) -> Iterator[Found]:
    """Modules whose forwards enlarge by calls that do not stand in their own source."""
    modules = dict(model.named_modules())
    calls = Counter(
        call.path
        for call in followed.trace.calls
        if "upsample_" in call.op and max(call.results[0].shape[2:]) > max(call.given["self"].shape[2:])
    )
    for path, count in calls.items():
        module = modules.get(path)
        if module is None or module in closed:
            continue
        own = [call for seen in followed.passes.get(module, []) for call in seen if max(call.factors()) > 1]
        if count > len(own):
            yield Found(module, 0, 0, (), {}, "it is called by a function, not in the source of its module's forward")


def put(module: Any, turn: int, enlarge: Enlarge) -> None:
    """Have an operator answer a module's call of that turn."""
    if "interpolations" not in module._modules:
        module.__class__ = asking(type(module))
        module.interpolations = nn.ModuleDict()
    module.interpolations[str(turn)] = enlarge


@contextmanager
def _asking(modules: Sequence[nn.Module]) -> Iterator[None]:
    """While inside, the modules are of classes whose forwards ask."""
    kinds = [type(module) for module in modules]
    try:
        for module in modules:
            module.__class__ = asking(type(module))
        yield
    finally:
        for module, kind in zip(modules, kinds, strict=True):
            module.__class__ = kind
