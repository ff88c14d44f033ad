"""What turns many runs into one sweep: each job a process of its own, and the comparison at the end. Knows Hydra.

A job is the single command that it stands for, in the same folder. So a finished one is found, an unfinished one
goes on, memory and time are its own, and what ends it, even a lack of memory, ends no other.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from study import run_folder, search
from study.identity import name
from study.run_folder import OF_A_SWEEP

# Started by `uv run`, Ray would give each job a copy of this folder, and its results would stay there. Read as Ray is
# imported, which Hydra does on its start.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def run_job(overrides: list[str], folder: Path) -> dict[str, Any] | None:
    """Run one job of a sweep as a command; returns its metrics, None where it failed (failed.json then says why)."""
    metrics = run_folder.read_metrics(folder)
    if metrics:
        print(f"Finished before: {folder}", flush=True)
        return metrics
    command = [sys.executable, str(Path(__file__).parents[1] / "train.py"), *overrides, f"hydra.run.dir='{folder}'"]
    # The job reads the pipe's end as the end of this process, however that came.
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {OF_A_SWEEP: "1"}) as process:
        code = process.wait()
    metrics = run_folder.read_metrics(folder)
    if metrics is None and run_folder.read_failure(folder) is None:
        ending = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = ", as Linux does where memory runs out" if -code == signal.SIGKILL else ""
        run_folder.write_failure(folder, ending + memory)
    return metrics


def end_with_the_sweep() -> None:
    """In a job of a sweep: end as soon as the sweep's process is gone, so that its next start has the folder alone."""
    if OF_A_SWEEP not in os.environ:
        return

    def watch() -> None:
        os.read(0, 1)  # returns when the pipe's other end is closed
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Sweep(Callback):
    """Says how far a sweep is, and compares its runs when it ends. Exit code 1 then tells that a job failed."""

    def __init__(self) -> None:
        self.started = time.time()
        self.folders: list[Path] = []
        self.todo = 0

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Find the jobs of a grid. Those of a search are not known before they start, only how many are missing."""
        if is_grid(config):
            self.folders = job_folders(config)
            self.todo = sum(run_folder.read_metrics(folder) is None for folder in self.folders)
            print(f"Sweep: {len(self.folders)} jobs, {len(self.folders) - self.todo} finished", flush=True)
        else:
            print(f"Search: {search.leave_missing_trials(config.hydra.sweeper)} trials to go", flush=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Say how far the sweep is; other processes' jobs are seen by what lies in their folders."""
        reasons = map(run_folder.failure_files, self.folders)
        failed = sum(any(ended_since(path, self.started) for path in each) for each in reasons)
        ended = failed + sum(ended_since(folder / "metrics.json", self.started) for folder in self.folders)
        if not self.todo or not ended:
            return
        left = (time.time() - self.started) / ended * (self.todo - ended)
        finished = len(self.folders) - self.todo + ended - failed
        failures = f", {failed} failed" if failed else ""
        minutes = f", about {left / 60:.0f} min left" if ended < self.todo else ""
        print(f"Sweep: {finished} of {len(self.folders)} finished{failures}{minutes}", flush=True)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Compare all jobs, and say which failed."""
        from study.comparison import runs  # here, so that single runs do without
        from study.comparison.compare import compare

        self.folders = self.folders or job_folders(config)
        with run_folder.one_sentence(config.debug):
            found = [runs.read(folder) for folder in self.folders if (folder / "config.yaml").exists()]
            names = "\n".join(sorted(folder.name for folder in self.folders))
            choice = config.hydra.runtime.choices.get("experiment") or "sweep"
            digest = hashlib.sha256(names.encode()).hexdigest()[:8]
            compare(found, Path(config.hydra.sweep.dir, f"comparison-{choice}-{digest}"))
        failed = [folder for folder in self.folders if run_folder.read_metrics(folder) is None]
        for folder in failed:
            print(f"Failed: {folder}: {run_folder.read_failure(folder) or 'unfinished'}", file=sys.stderr)
            if not folder.exists():
                run_folder.forget_failure(folder)  # there is no run that could tell of it later
        if failed:
            raise SystemExit(1)


def is_grid(config: DictConfig) -> bool:
    """Whether Hydra's own sweeper runs all combinations; else a search such as Optuna's chooses."""
    return config.hydra.sweeper._target_.endswith(".BasicSweeper")


def job_folders(config: DictConfig) -> list[Path]:
    """The folders of all jobs, in their order: of a grid's before it starts, of a search's those it has chosen."""
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    # With Hydra's loader, which completes globs such as upsample=glob(*) from what is in conf/.
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
    if is_grid(config):
        (jobs,) = BasicSweeper.split_arguments(overrides, None)
    else:
        fixed = [each for each in config.hydra.overrides.task if not parser.parse_override(each).is_sweep_override()]
        jobs = [[*fixed, *chosen] for chosen in search.chosen(config.hydra.sweeper)]
    names = [name(compose(config.hydra.job.config_name, job)) for job in jobs]
    return [Path(config.hydra.sweep.dir, name) for name in dict.fromkeys(names)]


def objectives(config: DictConfig, metrics: dict[str, Any] | None) -> float | list[float] | None:
    """What a search such as conf/hparams/unet_optuna.yaml asks for, of a job's metrics; None where there is nothing."""
    keys = config.get("objectives")
    if not keys or metrics is None:
        return None
    values = [metrics[key] for key in keys]
    return values if len(values) > 1 else values[0]


def ended_since(path: Path, moment: float) -> bool:
    """Whether a file was written after a moment, in seconds since 1970."""
    return path.exists() and path.stat().st_mtime >= moment
