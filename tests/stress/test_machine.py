"""A machine that lies or runs out: clocks that jump, a folder for temporary files and a shared memory that are full,
little memory. Whole commands; some minutes on two cores."""

import itertools
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.models.tasks.tiny_runs import EPOCHS, assert_same_end, build, train, train_until
from tests.stress.test_kill import ROOT, noise
from tests.tiny import FEW, TINY

DAY = 86_400
WORKERS = ["data=folder", "encoder.width=4", "encoder.depth=2", "task.crop=64", "task.grid_images=3", "data.workers=2",
           "data.batch_size=4", "trainer.max_epochs=1", *FEW]  # fmt: skip


def test_a_clock_that_jumps_changes_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    steps = train(build("segmentation"), whole, **EPOCHS).global_step
    draw, now = random.Random(0), time.time
    monkeypatch.setattr(time, "time", lambda: now() + draw.choice((-400 * DAY, -60, 0, 60, 400 * DAY)))
    for step, days in zip(range(1, steps), itertools.cycle((-400, 400)), strict=False):
        train_until(step, build("segmentation"), parts, **EPOCHS)
        for path in parts.iterdir():
            os.utime(path, (now() + days * DAY, now() + days * DAY))
    train(build("segmentation"), parts, **EPOCHS)
    assert_same_end(whole, parts)
    print(f"a clock that jumps by up to 400 days, {steps - 1} starts: equal")


def without_room(place: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Train with two workers where a folder has room for 256 kB, which no other process sees."""
    if not shutil.which("unshare") or os.geteuid():
        pytest.skip("needs unshare and the right to mount")
    command = [sys.executable, str(ROOT / "train.py"), *WORKERS, f"data.root={noise(folder / 'noise')}"]
    mounted = f'mount -t tmpfs -o size=256k none "{place}" && (cat /dev/zero > "{place}/full"; [ "$1" ] && "$@")'
    if place == Path("/dev/shm"):  # full by the batches alone
        mounted = f'mount -t tmpfs -o size=256k none "{place}" && "$@"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, "sh", *command],
        cwd=folder, env=os.environ | {"TMPDIR": str(place)}, capture_output=True, text=True,
    )  # fmt: skip


def test_a_full_folder_for_temporary_files_stops_no_run(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    done = without_room(place, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("runs/*/metrics.json"))


def test_shared_memory_that_is_full_ends_a_run_in_a_sentence(tmp_path: Path) -> None:
    done = without_room(Path("/dev/shm"), tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error: the shared memory, of 0.3 MB, through which processes hand over batches is full; " in done.stderr


@pytest.mark.parametrize("limit", [0.3, 0.6, 1.2, 2.5, 3.3, 4.0, 6.0])
def test_a_limit_of_memory_ends_a_run_in_a_sentence_or_not_at_all(limit: float, tmp_path: Path) -> None:
    size = int(limit * 2**30)
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *TINY],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert (done.returncode, len(sentences)) in ((0, 0), (1, 1))
    assert all("out of memory" in sentence for sentence in sentences)
    print(f"ulimit -v {limit} GB: {sentences or 'finished'}")
