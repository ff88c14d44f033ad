"""What turns many runs into one sweep: each job a process of its own, and the comparison at the end. Knows Hydra.

A job is the single command that it stands for, in the same folder. So a finished one is found, an unfinished one goes
on, memory and time are its own, and what ends it, even a lack of memory, ends no other. It is no member of the sweep's
group of processes: signals reach it through the sweep alone, once each, as bytes in the pipe that is its stdin. The
pipe's end, however the sweep came to its own, is a SIGTERM: a job ends with its sweep, but not before it has saved.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from plumbing.messages import say
from plumbing.signals import EXIT_CODES, listen, named
from study import identity, run_folder, search
from study.command_line import literal
from study.lock import HeldError, alone
from study.run_folder import OF_A_SWEEP

# Started by `uv run`, Ray would give each job a copy of this folder, and its results would stay there. Read as Ray is
# imported, which Hydra does on its start.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

MANY = 20  # jobs, from which on it takes more than a second or two to find out what their folders are
PATIENCE = 600  # seconds that a job whose sweep is gone may take to save


def run_job(overrides: list[str], folder: Path) -> dict[str, Any] | None:
    """Run one job of a sweep as a command; returns its metrics, None where it failed, of which run_folder.read_failure
    then tells. Ends this process, as soon as the job has saved, where a signal arrives."""
    metrics = run_folder.read_metrics(folder)
    if metrics:
        say(f"Finished before: {folder}")
        return metrics
    command = [sys.executable, str(Path(__file__).parents[1] / "train.py"), *overrides]
    command.append(f"hydra.run.dir={literal(str(folder))}")
    environment = os.environ | {OF_A_SWEEP: "1"}
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, process_group=0) as process,
        passed_on(process),
    ):
        code = process.wait()
    metrics = run_folder.read_metrics(folder)
    if metrics is None and run_folder.read_failure(folder) is None:
        ending = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = ", as Linux does where memory runs out" if -code == signal.SIGKILL else ""
        held = alone(folder) if folder.exists() else nullcontext()
        with suppress(HeldError), held:  # else it is another sweep's by now
            run_folder.write_failure(folder, ending + memory)
    return metrics


@contextmanager
def passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass signals on to a job, and after one raise SystemExit as soon as the job has ended. A third one kills it."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 2:
            process.kill()
            return
        if len(received) == 1:
            say(f"{named(number)}: the sweep ends as soon as its job has saved")
        assert process.stdin is not None
        with suppress(OSError):  # it has just ended
            os.write(process.stdin.fileno(), bytes([number]))

    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    listen(receive)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
    if received:
        say(f"Stopped by {named(received[0])}; start the same command again to continue")
        raise SystemExit(EXIT_CODES[received[0]])


def is_job() -> bool:
    """Whether this process is a sweep's job, or one that such a job started."""
    return OF_A_SWEEP in os.environ


def end_with_the_sweep() -> None:
    """In a job of a sweep: take what it passes on as signals, and its end, unless it has passed one on, as SIGTERM."""
    if not is_job():
        return

    def watch() -> None:
        passed = False
        while byte := os.read(0, 1):
            passed = True
            os.kill(os.getpid(), byte[0])
        if not passed:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(EXIT_CODES[signal.SIGTERM])

    threading.Thread(target=watch, daemon=True).start()


class Sweep(Callback):
    """Says how far a sweep is, and compares its runs when it ends. Exit code 1 then tells that a job failed."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.folders: list[Path] = []
        self.before: dict[Path, int | None] = {}
        self.todo = 0

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Find the jobs of a grid. Those of a search are not known before they start, only how many are missing."""
        listen(stop)  # between jobs; while there is one, study.job passes signals on to it
        identity.keep_fingerprints()
        if is_grid(config):
            jobs = overrides_of_jobs(config)
            if len(jobs) > MANY:
                say(f"Sweep: {len(jobs)} jobs; looking which of them are finished ...")
            try:
                self.folders = folders_of(config, jobs)
            except HydraException:  # of a job that cannot be: Hydra refuses the sweep next, which is said in a sentence
                return
            self.before = {path: written(path) for folder in self.folders for path in endings(folder)}
            self.todo = sum(run_folder.read_metrics(folder) is None for folder in self.folders)
            say(f"Sweep: {len(self.folders)} jobs, {len(self.folders) - self.todo} finished")
        else:
            search.alone(config)
            say(f"Search: {search.leave_missing_trials(config.hydra.sweeper)} trials to go")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Say how far the sweep is; other processes' jobs are seen by what lies in their folders, and by nothing that a
        clock says, which may jump."""
        failed = sum(any(map(self._is_new, run_folder.failure_files(folder))) for folder in self.folders)
        ended = failed + sum(self._is_new(folder / "metrics.json") for folder in self.folders)
        if not self.todo or not ended:
            return
        left = (time.monotonic() - self.started) / ended * (self.todo - ended)
        finished = len(self.folders) - self.todo + ended - failed
        failures = f", {failed} failed" if failed else ""
        minutes = f", about {left / 60:.0f} min left" if ended < self.todo else ""
        say(f"Sweep: {finished} of {len(self.folders)} finished{failures}{minutes}")

    def _is_new(self, path: Path) -> bool:
        """Whether a file was written since this sweep began."""
        return written(path) not in (None, self.before.get(path))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Compare all jobs, and say which failed."""
        from study.comparison import runs  # here, so that single runs do without
        from study.comparison.compare import compare

        folders = self.folders or folders_of(config, overrides_of_jobs(config))
        failed = [folder for folder in folders if run_folder.read_metrics(folder) is None]
        with run_folder.one_sentence(config.debug):
            found, left_out = runs.read_all(folder for folder in folders if (folder / "config.yaml").exists())
            names = "\n".join(sorted(folder.name for folder in folders))
            choice = config.hydra.runtime.choices.get("experiment") or "sweep"
            digest = hashlib.sha256(names.encode()).hexdigest()[:8]
            out = Path(config.hydra.sweep.dir, f"comparison-{choice}-{digest}")
            out.mkdir(parents=True, exist_ok=True)
            if len(failed) < len(folders):
                with alone(out, wait=True):  # another sweep over the same jobs ends as this one does
                    compare(found, out, left_out)
        for folder in failed:
            say(f"Failed: {folder}: {run_folder.read_failure(folder) or 'unfinished'}", sys.stderr)
            if not folder.exists():
                run_folder.forget_failure(folder)  # there is no run that could tell of it later
        if failed:
            raise SystemExit(1)


def stop(number: int, frame: FrameType | None) -> None:
    """End a sweep that no job of this process is a part of just now."""
    say(f"Stopped by {named(number)}; start the same command again to continue")
    raise SystemExit(EXIT_CODES[number])


def is_grid(config: DictConfig) -> bool:
    """Whether Hydra's own sweeper runs all combinations; else a search such as Optuna's chooses."""
    return config.hydra.sweeper._target_.endswith(".BasicSweeper")


def overrides_of_jobs(config: DictConfig) -> list[list[str]]:
    """What each job overrides, in their order: of a grid's all, of a search's those it has chosen."""
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    # With Hydra's loader, which completes globs such as upsample=glob(*) from what is in conf/.
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    if is_grid(config):
        overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
        return BasicSweeper.split_arguments(overrides, None)[0]
    fixed = [each for each in config.hydra.overrides.task if not parser.parse_override(each).is_sweep_override()]
    return [[*fixed, *chosen] for chosen in search.chosen(config.hydra.sweeper)]


def folders_of(config: DictConfig, jobs: list[list[str]]) -> list[Path]:
    """The folders of jobs; a folder of two jobs is named once."""
    names = [identity.name(compose(config.hydra.job.config_name, job)) for job in jobs]
    return [Path(config.hydra.sweep.dir, name) for name in dict.fromkeys(names)]


def objectives(config: DictConfig, metrics: dict[str, Any] | None) -> float | list[float] | None:
    """What a search such as conf/hparams/unet_optuna.yaml asks for, of a job's metrics; None where there is nothing."""
    keys = config.get("objectives")
    if not keys or metrics is None:
        return None
    values = [metrics[key] for key in keys]
    return values if len(values) > 1 else values[0]


def endings(folder: Path) -> list[Path]:
    """The files of which one is written as a job ends."""
    return [folder / "metrics.json", *run_folder.failure_files(folder)]


def written(path: Path) -> int | None:
    """When a file was last written, in nanoseconds of its disk's clock; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None
