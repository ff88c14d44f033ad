"""Sweeps and single runs of real trainings, with slow steps, stopped in every way; about ten minutes on two cores."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from tests.tiny import UNET

ROOT = Path(train.__file__).parent
# Of which only signals write checkpoints between the start and the validation.
SLOW = [*UNET, "data.batch_size=4", "trainer.precision=32-true", "callbacks.checkpoint_minutes=60",
        "trainer.max_epochs=1", "+trainer.limit_train_batches=8", "+trainer.limit_val_batches=1",
        "+trainer.limit_test_batches=1"]  # fmt: skip
# train.py, with steps that take two seconds more.
SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
import hydra
import train
from study import command_line, sweep

sweep.__file__ = {folder!r} + "/study/sweep.py"
before = train.run

def run(config, folder):
    from models.tasks.segmentation.task import Segmentation

    step = Segmentation.training_step

    def slow(self, batch, index):
        time.sleep(2)
        print("a step", flush=True)
        return step(self, batch, index)

    Segmentation.training_step = slow
    return before(config, folder)

train.run = run
main = hydra.main(version_base="1.3", config_path={root!r} + "/conf", config_name="config")(train.main.__wrapped__)
command_line.start(main, "config")
"""


def start(folder: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    """The command, in a session of its own."""
    (folder / "train.py").write_text(SCRIPT.format(root=str(ROOT), folder=str(folder)))
    log = (folder / "log").open("a")
    return subprocess.Popen(
        [sys.executable, str(folder / "train.py"), *words, *SLOW],
        cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True, text=True,
        **({"stdout": log, "stderr": log} | options),
    )  # fmt: skip


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None, "it has ended"
        time.sleep(0.05)


def saved_step(folder: Path) -> int:
    (checkpoint,) = folder.glob("runs/*/last.ckpt")
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


@pytest.mark.parametrize("sweep", [True, False], ids=["sweep", "single"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_to_the_group_saves_the_step_at_hand(number: int, code: int, sweep: bool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start(tmp_path, *(["-m", "seed=0,1"] if sweep else [])) as process:
        wait_for(lambda: log.exists() and log.read_text().count("a step") >= 2, process)
        os.killpg(process.pid, number)
        assert process.wait(60) == code
    said = log.read_text()
    after = int(re.findall(r"after step (\d+), which", said)[0])
    assert saved_step(tmp_path) == after >= 2  # the one at hand
    assert "Traceback" not in said
    assert len(list(tmp_path.glob("runs/unet-*"))) == 1  # the sweep did not go on to its second job


def test_a_job_whose_sweep_is_killed_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start(tmp_path, "-m", "seed=0") as process:
        wait_for(lambda: log.exists() and log.read_text().count("a step") >= 2, process)
        process.kill()
    end = time.monotonic() + 60
    while "after step" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    step = saved_step(tmp_path)
    with start(tmp_path, "-m", "seed=0") as process:
        assert process.wait(300) == 0
    assert f"Continuing after step {step}" in log.read_text()


def test_a_closed_terminal_saves_and_under_nohup_ends_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        wait_for(lambda: log.exists() and "a step" in log.read_text(), process)
        os.killpg(process.pid, signal.SIGHUP)
        assert process.wait(300) == 0
    assert len(list(tmp_path.glob("runs/*/metrics.json"))) == 1


@pytest.mark.parametrize("how", ["gone", "unread"])
def test_nobody_who_reads_stops_no_run(how: str, tmp_path: Path) -> None:
    with start(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        if how == "gone":
            process.stdout.readline()
            process.stdout.close()
        assert process.wait(300) == 0
    assert len(list(tmp_path.glob("runs/*/metrics.json"))) == 1
