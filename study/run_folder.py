"""One run, one folder: its name, what lies in it, and whether it is finished. Knows Hydra's configuration, not torch.

runs/<model>-<data>-<upsampler>-<seed>-<hash of the resolved configuration>/
command.txt    what started it
config.yaml    the resolved configuration
last.ckpt      where a stopped run goes on, written between validations, too; best.ckpt, the best validation score
history.csv    the scores of each validation; what else logger= asks for, in csv/, tensorboard/, wandb/ or mlflow.db
report.png     the pictures; of a segmentation also confusion.png
example.npz    one place of the test set and the output's spectrum, for comparisons of runs
batch_size.txt  what callbacks.auto_batch found
failed.json    why the last try failed, if it did
metrics.json   the scores, written last: a folder that holds it is finished
.lock          held while a run is at work here
"""

import errno
import fcntl
import hashlib
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from plumbing.atomic import whole, write_text

# Sections that change no result, so they are not part of a run's identity, and such a key of the trainer's section.
HOW_TO_RUN = ("hydra", "resume", "debug", "objectives", "logger")
HOW_TO_TRAIN = ("callbacks.checkpoint_minutes",)


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain dicts and lists, without Hydra's own section."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=True)  # type: ignore[return-value]  # a DictConfig gives a dict


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """Of a plain configuration, what a run's results depend on."""
    kept = {key: value for key, value in config.items() if key not in HOW_TO_RUN}
    if "trainer" in kept:
        kept["trainer"] = {k: v for k, v in kept["trainer"].items() if f"trainer.{k}" not in HOW_TO_TRAIN}
    return kept


def name(config: DictConfig) -> str:
    """The folder's name. The same configuration gives the same name; with resume=never, one not taken yet."""
    own = identity(plain(config))
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8]
    chosen = (own["model"]["name"], own["data"]["name"], own["upsample"]["name"], own["seed"])
    base = "-".join(map(str, (*chosen, digest)))
    if config.resume != "never":
        return base
    numbered = (f"{base}-{i}" for i in count(2))
    return next(n for n in chain([base], numbered) if not Path("runs", n).exists())


OmegaConf.register_new_resolver("run_name", lambda *, _root_: name(_root_), replace=True)


def process() -> int:
    """Which of a run's processes this is, as Lightning's launcher and torchrun tell them. 0, the first, or only one,
    prints and writes for all."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def let_one_process_print() -> None:
    """Silence all processes of a run but the first; what they refuse is still said."""
    if process():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # until the process ends


def write_command(folder: Path, overrides: list[str]) -> None:
    """Keep the command that started a run, so that others can repeat it."""
    write_text(folder / "command.txt", shlex.join(["python", "train.py", *overrides]) + "\n")


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json; a score that does not exist (NaN: the class is absent) becomes null."""
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}
    write_text(folder / "metrics.json", json.dumps(clean, indent=1) + "\n")


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """What a finished run measured, or None where the folder holds no finished run."""
    path = folder / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def read_failure(folder: Path) -> str | None:
    """Why the last try at a run failed, or None where it did not."""
    path = folder / "failed.json"
    return json.loads(path.read_text(encoding="utf-8"))["reason"] if path.exists() else None


def write_failure(folder: Path, reason: str) -> None:
    """Keep in failed.json, in a sentence or so, why a run failed."""
    write_text(folder / "failed.json", json.dumps({"reason": reason}, indent=1) + "\n")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder. Raises ValueError where another process does, on this machine or on one that shares it.

    The system lets go of what a process held when it ends, however that came, and the workers of its loaders do not
    inherit it: a run that was killed can be started again at once.
    """
    if process():  # the first process of the run holds it for the others
        yield
        return
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            file.seek(0)
            raise ValueError(
                f"{folder} is at work already, in {file.read().strip() or 'another process'}; wait for it, or start a "
                "run of its own with resume=never"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


@contextmanager
def failure_kept(folder: Path) -> Iterator[None]:
    """Where a run fails, keep the reason in failed.json, which an earlier try may have left; the error goes on.

    Of several processes the first to fail tells the reason: the others then fail for lack of it.
    """
    if not process():
        (folder / "failed.json").unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        if read_failure(folder):
            raise
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        with suppress(OSError):  # a full disk, say: then the error is still printed
            write_failure(folder, (kind + " ".join(str(error).split()))[:500])
        raise


def write_example(folder: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Write example.npz."""
    with whole(folder / "example.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for its own options


def print_table(metrics: dict[str, Any], folder: Path) -> None:
    """Print a run's scores, its checkerboards beside what noise would show, and its costs."""

    def cell(value: Any) -> str:
        if value is None:
            return "absent"
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)

    table = Table(title=folder.name, title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("beside it")
    for key, value in metrics.items():
        if key.endswith("/null") or key.startswith("baseline/"):
            continue  # shown beside the value they belong to
        if key in ("skipped", "warnings"):
            continue  # sentences, which follow the table
        beside = ""
        if f"{key}/null" in metrics:
            floor = metrics[f"{key}/null"]
            beside = f"{'PRINTS' if value > floor else 'even'} (noise {floor:.2g})"
        elif key.startswith("test/") and (baseline := key.replace("test/", "baseline/", 1)) in metrics:
            beside = f"{metrics['baseline']} {metrics[baseline]:.4g}"
        table.add_row(key, cell(value), beside)
    Console().print(table)
    print("noise: what 95 % of images of plain 1/f noise stay under; above it, the decoder prints a checkerboard")
    for i, sentence in enumerate(metrics.get("skipped", ())):
        print(f"Skipped {i + 1} of {len(metrics['skipped'])}: {sentence}")
    for sentence in metrics.get("warnings", ()):
        print(f"Warning: {sentence}")
    print(f"{folder / 'report.png'}\n{folder / 'metrics.json'}")


@contextmanager
def one_sentence(debug: bool) -> Iterator[None]:
    """Turn what is refused into its sentence and exit code 1; with debug, leave the trace."""
    try:
        yield
    except (ValueError, OSError) as error:
        if debug:
            raise
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C", file=sys.stderr)
        raise SystemExit(130) from None
