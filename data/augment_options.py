"""What conf/data/augment/*.yaml hold, documented in none.yaml."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from plumbing.options import OptionError, Range, check_options, fits

Share = Annotated[float, Range(0, 1)]


@dataclass(frozen=True)
class AugmentOptions:
    """How a training sample is varied; what is not named is off. Raises OptionError naming the key that is wrong."""

    scale: Sequence[float] = (1.0, 1.0)
    area: Sequence[float] | None = None
    aspect: Sequence[float] = (1.0, 1.0)
    vertical_flip: Share = 0.0
    horizontal_flip: Share = 0.0
    transpose: Share = 0.0
    rotation: Annotated[float, Range(0, 180)] = 0.0
    elastic: Annotated[float, Range(0, math.inf)] = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Annotated[float, Range(0, 0.5)] = 0.0
    device: Literal["loader", "device"] = "loader"

    def __post_init__(self) -> None:
        for key in ("scale", "area", "aspect"):
            span, limit = getattr(self, key), 1.0 if key == "area" else math.inf
            if key == "area" and span is None:
                continue
            if not (fits(span, list[float]) and len(span) == 2 and 0 < span[0] <= span[1] <= limit):
                most = " and at most 1" if key == "area" else ""
                raise OptionError(f"data.augment.{key} must be two numbers above 0{most}, low and high, not {span}")


def read_augment(options: Mapping[str, Any]) -> AugmentOptions:
    """The options of a section `data.augment`. Raises OptionError."""
    check_options("data.augment", AugmentOptions, options)
    return AugmentOptions(**options)


FLIPS = ("vertical_flip", "horizontal_flip", "transpose")


def flips_alone(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Of augmentation its flips, as a generator would draw the rest, and a note that names what is left out."""
    plain = AugmentOptions()
    dropped = [
        each.name
        for each in fields(AugmentOptions)
        if each.name not in (*FLIPS, "device")
        and each.name in options
        and _as_tuple(options[each.name]) != getattr(plain, each.name)
    ]
    note = "Of data.augment only flips are used, as a generator would draw the rest, too; left out: " + ", ".join(
        dropped
    )
    return {key: options[key] for key in FLIPS if key in options}, [note] if dropped else []


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
