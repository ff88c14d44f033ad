"""Commands as processes of their own, and how long they take."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.configuration import CONF

ROOT = CONF.parent
TOLD = 600  # characters of what a command said
# Python keeps what it has compiled of a module; without that, the import of torch and Lightning takes twice as long and
# more. Where this process was told to keep nothing, its commands still do, until it ends.
COMPILED = tempfile.TemporaryDirectory(prefix="bytecode-") if sys.dont_write_bytecode else None


def environment() -> dict[str, str]:
    """Of a command: it finds what it imports from wherever it is started, and keeps what Python compiles of it."""
    own = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    kept = {"PYTHONPYCACHEPREFIX": COMPILED.name} if COMPILED else {}
    return own | {"PYTHONPATH": str(ROOT)} | kept


def arguments_of(command: Sequence[str]) -> list[str]:
    """A command such as ("train.py", "--help") or ("-m", "upsample", "list"), with the scripts of the checkout."""
    return [str(ROOT / word) if i == 0 and word.endswith(".py") else word for i, word in enumerate(command)]


def run(command: Sequence[str], folder: Path | str, code: int = 0) -> float:
    """Seconds of a Python process in a folder, from its start to its end. The first of its kind compiles what it
    imports and reads it from the disk, so it should not count.

    Raises RuntimeError where it ends with another exit code: it then did something else than what is measured.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments_of(command)], capture_output=True, text=True, cwd=folder, env=environment()
    )
    took = time.perf_counter() - started
    if done.returncode != code:
        said = (done.stdout + done.stderr)[-TOLD:]
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}, not {code}: {said}")
    return took


def first_word(command: Sequence[str], folder: Path | str) -> tuple[float, str]:
    """Seconds from the start of a Python process in a folder to its first line, and the line; it is then killed.

    Raises RuntimeError where it says nothing.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments_of(command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        took = time.perf_counter() - started
        process.kill()
    if not said:
        raise RuntimeError(f"{' '.join(command)} said nothing")
    return took, said.strip()
