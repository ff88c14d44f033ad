"""Two thousand five hundred single wrong bits in a checkpoint: none is believed, none is a trace. Half a minute."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.training.checkpoint_file import load, verify
from models.training.digest import DamagedError, seal
from tests.models.conftest import saved_run

__all__ = ["saved_run"]
FLIPS = 2500


def outcome(work: Callable[[Path], object], path: Path) -> str:
    try:
        work(path)
    except DamagedError:
        return "damaged"
    except Exception as error:
        return type(error).__name__
    return "believed"


def test_no_wrong_bit_is_believed(saved_run: Callable[..., Any], tmp_path: Path) -> None:
    original: Path = saved_run("segmentation")[1]
    with original.open("r+b") as file:
        seal(file)
    whole, path, draw = original.read_bytes(), tmp_path / "last.ckpt", random.Random(0)
    found: dict[str, int] = {}
    for i in range(FLIPS):
        # Half of them in the structure: the first and last 4 kB, where the pickle and the archive's directory lie.
        at = draw.choice((draw.randrange(4096), len(whole) - 1 - draw.randrange(4096))) if i % 2 else None
        at = draw.randrange(len(whole)) if at is None else at
        wrong = bytearray(whole)
        wrong[at] ^= 1 << draw.randrange(8)
        path.write_bytes(wrong)
        for work in (verify, load):
            key = f"{work.__name__}: {outcome(work, path)}"
            found[key] = found.get(key, 0) + 1
    print(f"{FLIPS} wrong bits: {found}")
    assert found == {"verify: damaged": FLIPS, "load: damaged": FLIPS}
