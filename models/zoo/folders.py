"""Where zoos lie: this project's own, whose files a user's command never changes, and the user's. Needs no torch."""

import os
from pathlib import Path

PROJECTS = Path(__file__).parents[2] / "zoo"


def own() -> Path:
    """The user's zoo: the folder that EVENLY_ZOO names, else evenly/zoo in $XDG_DATA_HOME or ~/.local/share."""
    named = os.environ.get("EVENLY_ZOO")
    return Path(named) if named else Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "evenly/zoo")


def zoo_of(name: str) -> Path:
    """The zoo that has an entry of this name: the user's, or else the project's, which may not have it either."""
    return own() if (own() / name).is_dir() else PROJECTS


def names() -> list[str]:
    """The entries of both, by their folders."""
    tops = [top for top in (own(), PROJECTS) if top.is_dir()]
    return sorted({path.name for top in tops for path in top.iterdir() if path.is_dir() and path.name[0] != "."})
