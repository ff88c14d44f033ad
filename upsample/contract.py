"""The contract every upsampler keeps, and the table that finds them by name.

An upsampler is built from `(in_channels, out_channels, scale)` and maps

    forward(x, skip=None, indices=None) -> y
    x        (N, in_channels, H, W), any floating dtype, any H, W >= 1
    skip     (N, skip_channels, scale*H, scale*W), the encoder's features at the output size, or None
    indices  (N, indices_channels, H, W) int64, the encoder's max-pooling indices, flat positions in
             a map of the output size (what torch's max_pool2d returns), or None
    y        (N, out_channels, scale*H, scale*W), x's dtype

for every integer `scale >= 2`. Operators of any number of axes also take a tuple of scales, one for each axis
of signals, images or volumes, such as (1, 2, 2). Every decoder offers both extras; an operator declares what it
cannot do without in `needs`, and building it where that is not offered fails with a sentence.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from upsample.names import unknown

Scale = int | tuple[int, ...]
Factory = TypeVar("Factory", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class Operator:
    """A named way to upsample: what builds it and what it needs beyond x."""

    build: Callable[..., nn.Module]
    needs: frozenset[str]  # of {"skip", "indices"}
    any_axes: bool = False  # whether a tuple of scales, one for each axis, will do

    @property
    def options(self) -> dict[str, Any]:
        """Its keyword options with their defaults, in the order of its signature."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


_operators: dict[str, Operator] = {}


def _table() -> dict[str, Operator]:
    """The table with this package's own operators in it, whose files put them there when they are imported."""
    importlib.import_module("upsample.operators")
    return _operators


def operator(name: str, needs: tuple[str, ...] = (), any_axes: bool = False) -> Callable[[Factory], Factory]:
    """Put the decorated class or function into the table under `name`.

    It is called as `(in_channels, out_channels, scale, **options)`, with `skip_channels` and
    `indices_channels` added for what it `needs`. Every option has a default. With `any_axes` the scale may be
    a tuple of one to three, one for each axis.
    """

    def register(factory: Factory) -> Factory:
        _table()[name] = Operator(factory, frozenset(needs), any_axes)
        return factory

    return register


def along(scale: Scale) -> tuple[int, ...]:
    """The scale of each axis: a number is that of both axes of images."""
    return (scale, scale) if isinstance(scale, int) else tuple(scale)


def check_divisible(name: str, key: str, value: int, divisor: int, why: str) -> None:
    """Raise ValueError, naming the nearest counts that would work, unless `divisor` divides `value`."""
    if value % divisor:
        below = value // divisor * divisor
        works = f"{below} or {below + divisor}" if below else str(divisor)
        raise ValueError(f"{name}: {key} must be a multiple of {divisor} ({why}), such as {works}, not {value}")


def check_odd(name: str, key: str, value: int) -> None:
    """Raise ValueError unless `value` is odd and positive: only then is a kernel centred on a pixel."""
    if value < 1 or value % 2 == 0:
        raise ValueError(f"{name}: {key} must be odd, so that the output is centred, not {value}")


WORDS = {int: "a whole number", bool: "true or false", str: "text", type(None): "null", float: "a number"}


def _fits(value: Any, hint: Any) -> bool:
    """Whether an option's value is of the type that the operator's signature gives it; true is no number."""
    if hint is Any:
        return True
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if typing.get_origin(hint) is typing.Literal:
        return any(value is each or (type(value) is type(each) and value == each) for each in arguments)
    return isinstance(value, hint) and isinstance(value, bool) == (hint is bool)


def _words(hint: Any) -> str:
    """The type as a user would say it."""
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    return " or ".join(map(_words, typing.get_args(hint))) or WORDS.get(hint, str(hint))


def available() -> dict[str, Operator]:
    """All operators by name, in alphabetical order."""
    return dict(sorted(_table().items()))


def build(
    name: str,
    in_channels: int,
    out_channels: int,
    scale: Scale,
    *,
    skip_channels: int | None = None,
    indices_channels: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build the upsampler called `name`; `functools.partial(build, name, **options)` is what decoders take.

    `skip_channels` and `indices_channels` say what `forward` will be offered (None: nothing).
    Raises ValueError, in one sentence, for an unknown name or option, a scale or channel count
    that cannot be, a need that is not offered, and whatever the operator itself refuses.
    """
    table = _table()
    if name not in table:
        raise ValueError(unknown(name, table))
    found = table[name]
    strange = set(options) - set(found.options)
    if strange:
        raise ValueError(
            f"{name} has no option {', '.join(sorted(strange))}; it takes {', '.join(found.options) or 'none'}"
        )
    hints = typing.get_type_hints(found.build.__init__ if inspect.isclass(found.build) else found.build)
    for key, value in options.items():
        if not _fits(value, hints.get(key, Any)):
            raise ValueError(f"{name}: {key} must be {_words(hints[key])}, not {value!r}")
    if isinstance(scale, tuple) and found.any_axes:
        if not 1 <= len(scale) <= 3 or any(type(s) is not int or s < 1 for s in scale) or max(scale) < 2:
            raise ValueError(f"{name}: a scale of each axis is one to three integers, one of them above 1, not {scale}")
    elif type(scale) is not int or scale < 2:
        only = " alone: it is an operator of images" if isinstance(scale, tuple) else ""
        raise ValueError(f"{name}: scale must be an integer of at least 2{only}, not {scale!r}")
    for key, value in (("in_channels", in_channels), ("out_channels", out_channels)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name}: {key} must be an integer of at least 1, not {value!r}")
    offered = {"skip": skip_channels, "indices": indices_channels}
    extras = {}
    for need in sorted(found.needs):
        if offered[need] is None:
            raise ValueError(
                f"{name} needs the encoder's {'pooling ' if need == 'indices' else ''}{need}, "
                "which this network does not offer; choose an upsampler without needs, "
                "or a U-Net whose encoder offers it"
            )
        extras[f"{need}_channels"] = offered[need]
    return found.build(in_channels, out_channels, scale, **extras, **options)
