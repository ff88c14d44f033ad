"""Start a training, kill it at random moments, start it again: does it end as one that nobody killed?

    python tests/kill.py KILLS SEED FOLDER start=command|fork [KEY=VALUE ...]

start=command  each start is `python train.py KEY=VALUE ...`, from the import of torch to metrics.json
start=fork     each start is a fork of one process that has imported everything, and trains only: quick, for CI
Every second kill waits for a checkpoint that is being written. Prints what was done as JSON; exit code 1 where a run
ended otherwise than the one that nobody killed.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def by_command(overrides: list[str], folder: Path) -> int:
    """Start the command; its process."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides, f"hydra.run.dir='{folder}'"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL).pid


def by_fork(overrides: list[str]) -> Callable[[Path], int]:
    """Import all that training needs, and give what starts it in a process of its own."""
    from hydra import compose, initialize_config_dir

    from models.tasks.build import build_task
    from models.training.trainer import build_trainer, fit
    from study.identity import plain

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = plain(compose("config", overrides))

    def start(folder: Path) -> int:
        process = os.fork()
        if process:
            return process
        try:
            import pytorch_lightning as pl

            pl.seed_everything(config["seed"], workers=True, verbose=False)
            task, data = build_task(config)
            fit(build_trainer(config["trainer"], folder, task), task, data, folder)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    return start


def ends(process: int, kill_now: Callable[[], bool]) -> bool:
    """Whether a process ends by itself before it is killed. Raises RuntimeError where it fails."""
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            if status:
                raise RuntimeError(f"a start ended with exit code {os.waitstatus_to_exitcode(status)}")
            return True
        if kill_now():
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return False
        time.sleep(0.0005)


def outcome(folder: Path) -> dict[str, Any]:
    """What a run ended with, but for the times it took."""
    import torch

    stored = torch.load(folder / "last.ckpt", weights_only=True)
    with (folder / "history.csv").open(newline="") as file:
        found = {"history": list(csv.DictReader(file)), "step": stored["global_step"]}
    found |= {f"weights/{key}": value.tolist() for key, value in stored["state_dict"].items()}
    for i, optimiser in enumerate(stored["optimizer_states"]):
        for parameter, state in optimiser["state"].items():
            found |= {f"optimiser/{i}/{parameter}/{key}": value.tolist() for key, value in state.items()}
    if (folder / "metrics.json").exists():
        metrics = json.loads((folder / "metrics.json").read_text())
        found |= {key: value for key, value in metrics.items() if key.startswith(("test/", "val/", "baseline/"))}
    return found


def main(kills: int, seed: int, folder: Path, how: str, overrides: list[str]) -> int:
    """See the module."""
    started = time.monotonic()
    start = by_fork(overrides) if how == "start=fork" else lambda run: by_command(overrides, run)
    ready = time.monotonic()
    for name in ("untouched", "killed-0"):
        (folder / name).mkdir(parents=True)
    ends(start(folder / "untouched"), lambda: False)
    seconds = time.monotonic() - ready
    expected = outcome(folder / "untouched")

    draw, killed, writing, starts, runs, differing = random.Random(seed), 0, 0, 0, 0, 0
    while killed < kills or (folder / f"killed-{runs}").exists():
        run = folder / f"killed-{runs}"
        run.mkdir(exist_ok=True)
        began, delay, in_a_write = time.monotonic(), draw.uniform(0, seconds), killed % 2 == 0

        def kill_now() -> bool:
            due = killed < kills and time.monotonic() - began > delay  # noqa: B023  # used before the next turn
            return due and (not in_a_write or any(run.glob("*.ckpt.partial")))  # noqa: B023

        starts += 1
        if ends(start(run), kill_now):
            differing += outcome(run) != expected
            runs += 1
        else:
            killed += 1
            writing += any(run.glob("*.ckpt.partial"))
    report = {
        "kills": killed, "while a checkpoint was written": writing, "starts": starts, "runs": runs,
        "runs that ended otherwise": differing, "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    print(json.dumps(report))
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5:]))
