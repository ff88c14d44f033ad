"""Run folders, one's own or anyone's, read as data: every file within limits, every value of the type it should have.

Whoever reads gets plain numbers, and text that is printable. A file that is not so is refused in a sentence that names
it.
"""

import csv
import io
import json
import re
import stat
import zipfile
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from plumbing import plain_yaml
from plumbing.messages import escaped

# The bytes that each file may have, many times what train.py writes.
BYTES = {"config.yaml": 2**18, "metrics.json": 2**24, "failed.json": 2**16, "history.csv": 2**24, "example.npz": 2**26}
MAX_TEXT = 2000  # characters of a text; more are left out
MAX_ENTRIES = 100_000  # keys of a section, items of a list, lines of a history
MAX_SIDE = 4096  # pixels of an example
MAX_FREQUENCIES = 2**16
MAX_PERIOD = 1024
NUMBERS = ("parameters", "macs", "seconds_per_step", "peak_memory_mb", "seconds")  # of metrics.json, beside the scores
Numbers = dict[str, list[float]]
Arrays = dict[str, NDArray[Any]]


def stored(path: Path) -> bytes | None:
    """The bytes of a run's file, None where there is none. Raises ValueError for what is not plain, or too large."""
    limit = next(size for name, size in BYTES.items() if path.name.endswith(name))
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"{path} is no plain file")
        with path.open("rb") as file:
            found = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    if len(found) > limit:
        raise ValueError(f"{path} is larger than the {limit:,} bytes that it may have")
    return found


def printable(text: str) -> str:
    """Return the text of a file as far as it is taken, `escaped`."""
    return escaped(text[:MAX_TEXT])


def plain(value: Any, where: str) -> Any:
    """A value of plain types, all its text printable. Raises ValueError, naming `where`, for any other."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError(f"{where} has a number beyond all sense")
        return value
    if isinstance(value, float):
        if isfinite(value) and abs(value) > 1e100:
            raise ValueError(f"{where} has a number beyond all sense")
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list) and len(value) <= MAX_ENTRIES:
        return [plain(each, where) for each in value]
    if isinstance(value, dict) and len(value) <= MAX_ENTRIES:
        return {printable(str(key)): plain(each, where) for key, each in value.items()}
    raise ValueError(f"{where} has a value of the type {type(value).__name__}, or too many of them")


def config(folder: Path) -> dict[str, Any]:
    """The configuration of a run. Raises ValueError for what cannot be one."""
    path = folder / "config.yaml"
    found = stored(path)
    if found is None:
        raise ValueError(f"{path} is missing, so {folder} is no run")
    result = plain(plain_yaml.parse(found, str(path)), str(path))
    if not isinstance(result, dict):
        raise ValueError(f"{path} is not the configuration of a run")
    seed = result.get("seed")
    if "seed" not in result:
        raise ValueError(f"{path} has no seed, so it is not the configuration of a run")
    if type(seed) is not int:
        raise ValueError(f"{path}: seed must be a whole number, not {seed!r}")
    for section in ("task", "data"):
        keys = result.get(section)
        if not isinstance(keys, dict) or "name" not in keys:
            raise ValueError(f"{path} has no {section}.name, so it is not the configuration of a run")
        if not isinstance(keys["name"], str):
            raise ValueError(f"{path}: {section}.name must be text, not {keys['name']!r}")
    fold = result["data"].get("fold")
    if fold is not None and type(fold) is not int:
        raise ValueError(f"{path}: data.fold must be a whole number, not {fold!r}")
    return result


def metrics(folder: Path) -> dict[str, Any] | None:
    """What a finished run measured: numbers, None for scores that do not exist there, and words; None without a file.
    Raises ValueError for what cannot be metrics."""
    path = folder / "metrics.json"
    found = stored(path)
    if found is None:
        return None
    try:
        result = plain(json.loads(found), str(path))
    except (ValueError, RecursionError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} is not whole ({str(error)[:100]})") from None
    if not isinstance(result, dict) or not result:
        raise ValueError(f"{path} holds no scores")
    wanted: list[type]
    for key, value in result.items():
        if isinstance(value, float) and not isfinite(value):
            result[key] = None
        if re.fullmatch("(test|val)/(final/)?(pattern|content)", key):
            wanted, word = [str], "text"
        elif key.startswith(("test/", "val/", "baseline/")) or key in NUMBERS:
            wanted, word = [int, float, type(None)], "a number"
        else:
            continue
        if type(value) not in wanted:
            raise ValueError(f"{path}: {key} must be {word}, not {value!r:.100}")
    period = result.get("period", 1)
    if type(period) is not int or not 1 <= period <= MAX_PERIOD:
        raise ValueError(f"{path}: period must be a whole number from 1 to {MAX_PERIOD}, not {period!r}")
    return result


def failure(path: Path) -> str | None:
    """The reason that a failed.json gives, None where there is none. Raises ValueError for what gives no reason."""
    content = stored(path)
    if content is None:
        return None
    try:
        return printable(str(json.loads(content)["reason"]))
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is not whole ({str(error)[:100]})") from None


def history(folder: Path) -> Numbers:
    """history.csv by column, empty where there is none. Raises ValueError for what is no table of numbers."""
    path = folder / "history.csv"
    found = stored(path)
    if not found:
        return {}
    try:
        lines = list(csv.reader(io.StringIO(found.decode("utf-8"))))
        columns = {printable(name): [float(line[i]) for line in lines[1:]] for i, name in enumerate(lines[0])}
    except (ValueError, IndexError, csv.Error, OverflowError):
        raise ValueError(f"{path} is no table of numbers") from None
    if len(lines) > MAX_ENTRIES or "step" not in columns or len(columns) < 2 or len(columns) != len(lines[0]):
        raise ValueError(f"{path} is no table of scores by step")
    return columns if lines[1:] else {}


def example(folder: Path) -> Arrays:
    """example.npz: pictures (H, W, 3) uint8, maps (H, W) float and `spectrum` (F,) float; empty where there is none.
    Raises ValueError for any other arrays, before they are unpacked."""
    path = folder / "example.npz"
    found = stored(path)
    if not found:
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(found)) as archive:
            members = archive.infolist()
            if len(members) > 20:
                raise ValueError("it holds too many arrays")
            return {printable(each.filename.removesuffix(".npy")): array(archive, each) for each in members}
    except Exception as error:  # a damaged archive raises nearly anything
        raise ValueError(f"{path} holds no example of a run ({printable(str(error))[:100]})") from None


def array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of an example. Raises ValueError for what is no picture, map or spectrum, or not whole."""
    with archive.open(member) as file:
        version = npy.read_magic(file)  # type: ignore[no-untyped-call]
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, by_columns, dtype = read[version](file)  # type: ignore[no-untyped-call]
        sides = all(0 < n <= MAX_SIDE for n in shape)
        picture = len(shape) == 3 and shape[2] == 3 and dtype == np.uint8 and sides
        plane = len(shape) == 2 and dtype == np.float32 and sides
        spectrum = len(shape) == 1 and dtype.kind == "f" and 0 < shape[0] <= MAX_FREQUENCIES
        if not (picture or plane or spectrum):
            raise ValueError(f"{member.filename} is {dtype} of the shape {shape}")
        size = dtype.itemsize * int(np.prod(shape))
        content = file.read(size)
        if len(content) < size:
            raise ValueError(f"{member.filename} is cut short")
    values = np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{member.filename} holds what is no number")
    return values
