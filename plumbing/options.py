"""Options of a configuration, checked against the signature of what they are given to, before anything is built."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


class OptionError(ValueError):
    """A section of the configuration that is not as what takes it has it."""


def check_options(
    section: str, target: Callable[..., Any], options: Mapping[str, Any], given: Sequence[str] = ()
) -> None:
    """Raise OptionError, naming `section`.key, for an option that `target` does not take, lacks, or wants otherwise.

    given  parameters of the target that are not options
    """
    parameters = inspect.signature(target).parameters
    plain = target.func if isinstance(target, partial) else target
    hints = typing.get_type_hints(plain.__init__ if inspect.isclass(plain) else plain)
    named = [p for p in parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = {p.name: p.default for p in named if p.name not in given}
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    for key, value in options.items():
        if key not in taken:
            if open_ended:
                continue
            raise OptionError(f"{section}.{key} does not exist; choose from {', '.join(taken)}")
        if not fits(value, hints.get(key, Any)):
            raise OptionError(f"{section}.{key} must be {words(hints[key])}, not {value!r}")
    for key, default in taken.items():
        if default is inspect.Parameter.empty and key not in options:
            raise OptionError(f"{section}.{key} is missing; give it {words(hints[key])}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value out of YAML is what a type hint says; a whole number is a number, true is not."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin in (list, tuple, Sequence) or hint in (list, tuple):
        return isinstance(value, list | tuple) and all(fits(each, arguments[0]) for each in value if arguments)
    if origin in (dict, Mapping) or hint is dict:
        return isinstance(value, dict)
    if origin is typing.Literal:
        return value in arguments
    if origin is not None:  # what no YAML holds
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool) == (hint is bool) and isinstance(value, hint)


def words(hint: Any) -> str:
    """A type hint as a user would say it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(each) for each in arguments)
    if origin is typing.Literal:
        return " or ".join(map(str, arguments))
    if origin in (list, tuple, Sequence):
        return f"a list ({words(arguments[0])} each)"
    return WORDS.get(hint, "a section" if origin is dict or hint is dict else str(hint))
