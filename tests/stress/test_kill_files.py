"""A hundred SIGKILLs of processes that write caches, metrics, failures and a zoo: what is there afterwards is whole,
and the next process goes on. Half a minute."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data.files import pixel_file
from models.zoo import entry, index
from models.zoo.index import FILES, Entry, File
from study import run_folder

STARTS = list(range(0, 2_000_001, 100_000))


def fill(pixels: torch.Tensor) -> None:
    for i in range(20):
        pixels[100_000 * i : 100_000 * (i + 1)] = i
        time.sleep(0.002)


def cache(folder: Path, turn: int) -> None:
    for i in range(1000):
        pixel_file.opened(folder / f"{turn}-{i}.pixels", STARTS, fill)


def metrics(folder: Path, turn: int) -> None:
    for i in range(100_000):
        run_folder.write_metrics(folder, {"test/miou": i / 1e5, "much": "x" * 100_000})
        run_folder.write_failure(folder, f"{i} " * 1000)


def zoo(folder: Path, turn: int) -> None:
    for i in range(1000):
        staged = folder / f".{turn}-{i}.partial"
        staged.mkdir()
        (staged / "card.md").write_bytes(b"x")
        files = {name: File(1, "0" * 64) for name in FILES}
        entry.install(staged, folder, f"net-{turn}-{i % 5}", Entry("gan", "deconv", {}, files))


def cache_is_whole(folder: Path) -> None:
    for path in folder.glob("*.pixels"):
        assert pixel_file.damaged(path, STARTS) is None
    written = pixel_file.opened(folder / "again.pixels", STARTS, fill)
    assert written[::100_000].tolist() == list(range(20))


def metrics_are_whole(folder: Path) -> None:
    for name in ("metrics.json", "failed.json"):
        if (folder / name).exists():
            json.loads((folder / name).read_text())


def zoo_is_whole(folder: Path) -> None:
    held = index.read(folder)
    for name in held:
        assert (folder / name / "card.md").exists() or (folder / f".{name}.old").exists()


@pytest.mark.parametrize(
    ("work", "check"), [(cache, cache_is_whole), (metrics, metrics_are_whole), (zoo, zoo_is_whole)]
)
def test_what_a_killed_process_leaves_is_whole(
    work: Callable[[Path, int], None], check: Callable[[Path], None], tmp_path: Path
) -> None:
    draw, kills = random.Random(0), 34
    for turn in range(kills):
        child = os.fork()
        if not child:
            torch.set_num_threads(1)
            work(tmp_path, turn)
            os._exit(0)
        time.sleep(draw.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        check(tmp_path)
        (tmp_path / "again.pixels").unlink(missing_ok=True)
    print(f"{work.__name__}: {kills} kills, whole after each")
