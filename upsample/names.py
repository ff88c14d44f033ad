"""Which operators there are, without building any: torch, which they need, takes seconds to import."""

import difflib
import re
from collections.abc import Collection
from pathlib import Path

REGISTERED = re.compile(r"^@operator\(\s*\"(\w+)\"", re.MULTILINE)  # as upsample.contract has it


def written() -> list[str]:
    """Return the names under which the files of upsample/operators put operators into the table, sorted."""
    files = Path(__file__).with_name("operators").glob("*.py")
    return sorted(name for file in files for name in REGISTERED.findall(file.read_text(encoding="utf-8")))


def unknown(name: str, names: Collection[str]) -> str:
    """Return the sentence with which a name that is not among `names` is refused; it names what is near."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown upsampler '{name}'{hint} (choose from {', '.join(sorted(names))})"
