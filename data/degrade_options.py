"""What conf/data/degrade/*.yaml hold, documented in none.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from plumbing.options import OptionError, check_options, fits

ENDS = {"blur": (0, 10), "noise": (0, 255), "jpeg": (1, 100)}  # within which each of the two numbers lies


@dataclass(frozen=True)
class DegradeOptions:
    """How a low-resolution image is made worse than its large one's bicubic reduction: for each kind, null or two
    numbers that it is drawn between. Raises OptionError naming the key that is wrong."""

    blur: list[float] | None = None
    noise: list[float] | None = None
    jpeg: list[int] | None = None

    def __post_init__(self) -> None:
        for key, (low, high) in ENDS.items():
            span = getattr(self, key)
            right = fits(span, list[int] if key == "jpeg" else list[float]) and len(span) == 2
            if span is not None and not (right and low <= span[0] <= span[1] <= high):
                whole = "whole " if key == "jpeg" else ""
                raise OptionError(
                    f"data.degrade.{key} must be null or two {whole}numbers from {low} to {high}, low and high, "
                    f"not {span}"
                )

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))

    def __str__(self) -> str:
        """In words, in the order in which it is done."""
        words = []
        if self.blur is not None:
            words.append(f"blur of SD {between(self.blur)} px")
        words.append("bicubic")
        if self.noise is not None:
            words.append(f"noise of SD {between(self.noise)} grey levels")
        if self.jpeg is not None:
            words.append(f"JPEG of quality {between(self.jpeg)}")
        return ", ".join(words)


def between(span: list[Any]) -> str:
    """Two numbers in words, one where they are equal."""
    return f"{span[0]:g}" if span[0] == span[1] else f"{span[0]:g} to {span[1]:g}"


def read_degrade(options: Mapping[str, Any] | None) -> DegradeOptions:
    """The options of a section `data.degrade`; None, as in files of before there was one, is none of it. Raises
    OptionError."""
    check_options("data.degrade", DegradeOptions, options or {})
    return DegradeOptions(**options or {})
