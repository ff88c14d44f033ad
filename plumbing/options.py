"""Options of a configuration, checked against the signature of what they are given to, before anything is built.

The type hints are the rules: `Literal["a", "b"]` for a choice, `Annotated[float, Range(0, 1)]` for a range.
"""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

# Keys that have another name now, each answered with the new one.
MOVED = {f"trainer.{key}": f"callbacks.{key}" for key in ("auto_batch", "checkpoint_minutes", "compile", "on_nan")}
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


class OptionError(ValueError):
    """A section of the configuration that is not as what takes it has it."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, for `Annotated`: both ends belong to it, but for those that are named open.

    open  "low", "high" or "both": which ends do not belong to it
    """

    low: float = float("-inf")
    high: float = float("inf")
    open: str = ""

    def holds(self, value: Any) -> bool:
        """Whether a value is no number, or one within the bounds; NaN never is."""
        if not isinstance(value, int | float):
            return True
        above = self.low < value if self.open in ("low", "both") else self.low <= value
        below = value < self.high if self.open in ("high", "both") else value <= self.high
        return above and below

    def __str__(self) -> str:
        low, high = f"{self.low:g}", f"{self.high:g}"
        if self.high == float("inf"):
            return f"above {low}" if self.open in ("low", "both") else f"of at least {low}"
        if self.low == float("-inf"):
            return f"below {high}" if self.open in ("high", "both") else f"of at most {high}"
        ends = {"": "", "low": f", {low} excluded", "high": f", {high} excluded", "both": ", both excluded"}
        return f"from {low} to {high}{ends[self.open]}"


Count = Annotated[int, Range(1)]  # of channels, layers, images


def hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of what a class, function or partial takes, with their ranges."""
    plain = target.func if isinstance(target, partial) else target
    return typing.get_type_hints(plain.__init__ if inspect.isclass(plain) else plain, include_extras=True)


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean WORD?` where a known word is near, else nothing."""
    found = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def unknown(key: str, value: Any, known: Iterable[Any]) -> str:
    """The sentence for a name that stands for nothing: what would."""
    words = list(map(str, known))
    hint = near(value, words) if isinstance(value, str) else ""
    return f"{key} is '{value}', which does not exist{hint or ';'} choose from {', '.join(words)}"


def check_options(
    section: str,
    target: Callable[..., Any] | Sequence[Callable[..., Any]],
    options: Mapping[str, Any],
    given: Sequence[str] = (),
) -> None:
    """Raise OptionError, naming `section`.key, for an option that `target` does not take, lacks, or wants otherwise.

    target  what takes the options, or several that share them out
    given   parameters of the targets that are not options
    """
    targets = [target] if callable(target) else target
    hints = {key: hint for each in targets for key, hint in hints_of(each).items()}
    parameters = (p for each in targets for p in inspect.signature(each).parameters.values())
    named = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = {p.name: p.default for p in named if p.name not in given}
    for key, value in options.items():
        if key not in taken:
            hint = near(key, taken) or ";"
            raise OptionError(f"{section}.{key} does not exist{hint} choose from {', '.join(taken)}")
        check_value(f"{section}.{key}", value, hints.get(key, Any))
    for key, default in taken.items():
        if default is inspect.Parameter.empty and key not in options:
            raise OptionError(f"{section}.{key} is missing; give it {words(hints[key])}")


def check_value(key: str, value: Any, hint: Any) -> None:
    """Raise OptionError, naming the key, for a value that is not what a type hint says."""
    if fits(value, hint):
        return
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if isinstance(value, str) and any(isinstance(choice, str) for choice in choices):
        raise OptionError(unknown(key, value, choices))
    raise OptionError(f"{key} must be {words(hint)}, not {value!r}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value out of YAML is what a type hint says; a whole number is a number, true is not."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is typing.Annotated:
        ranges = [each for each in arguments[1:] if isinstance(each, Range)]
        return fits(value, arguments[0]) and all(each.holds(value) for each in ranges)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin in (list, tuple, Sequence) or hint in (list, tuple):
        return isinstance(value, list | tuple) and all(fits(each, arguments[0]) for each in value if arguments)
    if origin in (dict, Mapping) or hint is dict:
        return isinstance(value, dict)
    if origin is typing.Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is not None:  # what no YAML holds
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool) == (hint is bool) and isinstance(value, hint)


def words(hint: Any) -> str:
    """A type hint as a user would say it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return " ".join([words(arguments[0]), *(str(each) for each in arguments[1:] if isinstance(each, Range))])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(each) for each in arguments)
    if origin is typing.Literal:
        return " or ".join(map(str, arguments))
    if origin in (list, tuple, Sequence):
        return f"a list ({words(arguments[0])} each)"
    return WORDS.get(hint, "a section" if origin is dict or hint is dict else str(hint))
