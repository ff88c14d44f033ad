"""YAML from anyone: read as plain data, within limits, or refused in one sentence."""

import re
from typing import Any

import yaml

LOADER: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml's, where PyYAML was built with it: 10 times faster
# Escapes of half a character, in which paths that are no UTF-8 are written, and which libyaml refuses.
LONE = re.compile(rb"\\u[dD][89a-fA-F]")
MAX_DEPTH, MAX_EVENTS = 10, 100_000  # an index of a thousand entries has 4 levels and 50 000 events


def parse(stored: bytes, what: str) -> Any:
    """What YAML text holds: dicts, lists, text, numbers, booleans, None. `what` names the file in errors.

    Aliases, by which a few lines expand to gigabytes, and tags, by which YAML names Python objects, are refused:
    nothing this project writes has them. Events come one by one, so that depth is refused before it is built.
    Raises ValueError.
    """
    depth = 0
    loader = yaml.SafeLoader if LONE.search(stored) else LOADER
    try:
        text = stored.decode("utf-8")
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("it has aliases")
            if tag := getattr(event, "tag", None):
                raise ValueError(f"it has the tag {tag[:80]}")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or count > MAX_EVENTS:
                raise ValueError(f"it has more than {MAX_DEPTH} levels or {MAX_EVENTS:,} parts")
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{what} is no YAML that is read here ({error.problem})") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the last two also from numbers, dates and keys
        raise ValueError(f"{what} is no YAML that is read here ({str(error).partition(chr(10))[0]})") from None
