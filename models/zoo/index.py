"""The index of a zoo or a hub: what is there, what it scored, and the checksum of every file. Needs no torch."""

import difflib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from models.zoo import folders
from models.zoo.plain_file import contents
from plumbing import plain_yaml
from plumbing.atomic import write_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*([.-][A-Za-z0-9_]+)*")  # no path, no leading dot, no two dots
# The files of an entry, and the bytes that each may have. No other file is ever fetched, read or written.
FILES = {"model.safetensors": 2**30, "config.yaml": 2**16, "card.md": 2**20, "preview.png": 2**24}
MAX_INDEX = 2**22  # bytes


@dataclass(frozen=True)
class File:
    """Its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """What the index says of one network: scores in float32 of the weights as they are stored, as in metrics.json."""

    task: str
    upsampler: str
    scores: dict[str, float | None]
    files: dict[str, File]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files.values())


Index = dict[str, Entry]


def check_name(name: str) -> str:
    """The name, or ValueError where it could be anything but one folder's name."""
    if not NAME.fullmatch(name) or len(name) > 100:
        raise ValueError(f"{name[:100]!r} is no name of a zoo entry; use letters, digits, '_', and single '-' and '.'")
    return name


def identifier(name: str) -> str:
    """The name as Python can call it."""
    return name.replace("-", "_").replace(".", "_")


def entry(name: str, stored: Any) -> Entry:
    """One entry of an index, checked; raises ValueError."""
    if not isinstance(stored, dict) or set(stored) != {"task", "upsampler", "scores", "files"}:
        raise ValueError(f"the index does not give task, upsampler, scores and files of {name}")
    files, scores = stored["files"], stored["scores"]
    if not isinstance(files, dict) or set(files) != set(FILES):
        raise ValueError(f"the index must give {name} exactly the files {', '.join(FILES)}")
    for key, file in files.items():
        if not isinstance(file, dict) or set(file) != {"size", "sha256"}:
            raise ValueError(f"the index does not give size and sha256 of {name}/{key}")
        if type(file["size"]) is not int or not 0 < file["size"] <= FILES[key]:
            raise ValueError(f"the index gives {name}/{key} a size that is not from 1 to {FILES[key]:,} bytes")
        if not isinstance(file["sha256"], str) or not re.fullmatch("[0-9a-f]{64}", file["sha256"]):
            raise ValueError(f"the index gives {name}/{key} no SHA-256")
    if not isinstance(scores, dict) or not all(isinstance(v, float | int | None) for v in scores.values()):
        raise ValueError(f"the index gives {name} scores that are no numbers")
    if not all(isinstance(text, str) and text.isprintable() for text in (stored["task"], stored["upsampler"], *scores)):
        raise ValueError(f"the index says of {name} what is no text")
    return Entry(stored["task"], stored["upsampler"], scores, {k: File(**files[k]) for k in FILES})


def parse(stored: bytes, what: str) -> Index:
    """An index from its YAML; `what` names it in errors. Raises ValueError."""
    if len(stored) > MAX_INDEX:
        raise ValueError(f"{what} is larger than the {MAX_INDEX:,} bytes that an index may have")
    found = plain_yaml.parse(stored, what)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{what} is no index of a zoo")
    return {check_name(name): entry(name, value) for name, value in found.items()}


def read(folder: Path) -> Index:
    """The index of a folder of entries; without one, an empty index."""
    path = folder / "index.yaml"
    return parse(contents(path, MAX_INDEX), str(path)) if os.path.lexists(path) else {}


def find(name: str, zoo: str | Path | None = None) -> tuple[Path, Entry]:
    """Return the zoo that has an entry of this name, and what its index says of it.

    zoo  None: the user's, or else this project's
    Raises ValueError, naming what is near, for an unknown name.
    """
    known = folders.names() if zoo is None else None
    zoo = folders.zoo_of(check_name(name)) if zoo is None else Path(zoo)
    entries = read(zoo)
    if name not in entries:
        near = difflib.get_close_matches(name, known or entries, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; python -m models.zoo list shows what there is"
        raise ValueError(f"the zoo has no {name[:100]!r}{hint}")
    return zoo, entries[name]


def text(index: Index) -> str:
    """The index as YAML, in the order of names."""
    return yaml.safe_dump({name: asdict(index[name]) for name in sorted(index)}, sort_keys=False)


def write(folder: Path, index: Index) -> None:
    """Write the index of a folder, whole or not at all."""
    write_text(folder / "index.yaml", text(index))
