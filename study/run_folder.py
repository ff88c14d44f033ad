"""One run, one folder: what lies in it, and whether it is finished. Needs no torch.

runs/<model>-<data>-<upsampler>-<seed>-<digest of its identity>/
command.txt    what started it
config.yaml    the resolved configuration, and what tells the data's files from others
last.ckpt      where a stopped run goes on, written between validations, too; best.ckpt, the best validation score
history.csv    the scores of each validation; what else logger= asks for, in csv/, tensorboard/, wandb/ or mlflow.db
report.png     the pictures; of a segmentation also confusion.png. report.html has them, scores, curves and command
example.npz    one place of the test set and the output's spectrum, for comparisons of runs
batch_size.txt  what callbacks.auto_batch found
failed.json    why the last try failed, if it did
metrics.json   the scores, written before they are drawn: a folder that holds it is finished
.lock          held while a run is at work here
"""

import glob
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from plumbing.atomic import whole, write_text
from plumbing.messages import say, say_error, starved
from study import reading
from study.identity import FINGERPRINT, differing, flat

T = TypeVar("T")
OF_A_SWEEP = "EVENLY_JOB_OF_A_SWEEP"  # set in the environment of a sweep's jobs
# A path in the quotes that command_line.quoted puts around it, which it does without: typed again, it gets them again.
QUOTED = re.compile(r"(?<==)'([A-Za-z0-9_.:/-]+)'$")


def process() -> int:
    """Which of a run's processes this is, as Lightning's launcher and torchrun tell them. 0, the first, or only one,
    prints and writes for all."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def let_one_process_print() -> None:
    """Silence all processes of a run but the first; what they refuse is still said."""
    if process():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # until the process ends


def write_command(folder: Path, overrides: list[str], command: str = "train.py") -> None:
    """Keep the command that started a run, so that others can repeat it."""
    if not process():
        words = [QUOTED.sub(r"\1", word) for word in overrides]
        write_text(folder / "command.txt", shlex.join(["python", command, *words]) + "\n")


class WithoutAliases(yaml.SafeDumper):
    """Writes what occurs twice twice: what reads configurations refuses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def begin(folder: Path, config: dict[str, Any]) -> None:
    """Keep the configuration of a run, by which its folder is one, and say where the same was run on other files."""
    if process():
        return
    path = folder / "config.yaml"
    if not path.exists():
        for other in on_other_files(folder, config):
            say(f"The files of data.root are not those that {other} was run on: this is a run of its own")
    write_text(path, yaml.dump(config, Dumper=WithoutAliases, sort_keys=False, allow_unicode=True))


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json; a score that does not exist (NaN: the class is absent) becomes null."""
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}
    write_text(folder / "metrics.json", json.dumps(clean, indent=1) + "\n")


def whole_or_absent(read: Callable[[Path], T], path: Path) -> T | None:
    """What is read of a folder or file; None where that is not whole, which is said in a line."""
    try:
        return read(path)
    except ValueError as error:
        say(f"Passed over: {error}")
        return None


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """What a finished run measured, or None where the folder holds no finished run."""
    return whole_or_absent(reading.metrics, folder)


def failure_files(folder: Path) -> tuple[Path, Path]:
    """Where it can stand why the last try at a run failed: in its folder, or, of what never became a run, beside where
    that would be."""
    return folder / "failed.json", folder.with_name(f"{folder.name}.failed.json")


def read_failure(folder: Path) -> str | None:
    """Why the last try at a run failed, or None where it did not."""
    found = (whole_or_absent(reading.failure, path) for path in failure_files(folder))
    return next(filter(None, found), None)


def write_failure(folder: Path, reason: str) -> None:
    """Keep, in a sentence or so, why a run failed."""
    inside, beside = failure_files(folder)
    write_text(inside if folder.exists() else beside, json.dumps({"reason": reason}, indent=1) + "\n")


def forget_failure(folder: Path) -> None:
    """Of an earlier try, which another one follows."""
    for path in failure_files(folder):
        path.unlink(missing_ok=True)


@contextmanager
def no_folder_of_nothing(folder: Path) -> Iterator[None]:
    """Remove a folder that Hydra made for what is then refused before it is a run: one that holds no more than is
    written before there is one. The error goes on; of a sweep's job the reason stays, beside the place."""
    try:
        yield
    finally:
        with suppress(OSError):
            if not process() and {path.name for path in folder.iterdir()} <= {"command.txt", "failed.json", ".lock"}:
                reason, beside = failure_files(folder)
                if OF_A_SWEEP in os.environ and reason.exists():
                    reason.replace(beside)
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()


def refuse_another(folder: Path, config: dict[str, Any]) -> None:
    """Raise ValueError where a folder holds a run of another identity than a configuration of `identity.described`."""
    if not (folder / "config.yaml").exists():
        return
    held = whole_or_absent(reading.config, folder) or config
    keys = differing(held, config)
    if keys == [FINGERPRINT]:
        raise ValueError(
            f"{folder} holds a run on other files than data.root has now; bring those back, or leave out "
            "hydra.run.dir, and the run has a folder of its own"
        )
    if keys:
        there, here = (flat(each).get(keys[0]) for each in (held, config))
        raise ValueError(
            f"{folder} holds a run of another configuration ({keys[0]} is {there!r} there, {here!r} here); choose "
            "another hydra.run.dir, or leave it out, and the run has a folder of its own"
        )


def on_other_files(folder: Path, config: dict[str, Any]) -> list[Path]:
    """The folders beside a run's that hold the same run on other files."""
    start, found = glob.escape(folder.name.rpartition("-")[0]), []
    for path in sorted(folder.parent.glob(f"{start}-*/config.yaml")) if start else []:
        with suppress(ValueError):  # another's configuration is not whole
            if differing(reading.config(path.parent), config) == [FINGERPRINT]:
                found.append(path.parent)
    return found


@contextmanager
def failure_kept(folder: Path) -> Iterator[None]:
    """Where a run fails, keep the reason, which an earlier try may have left; the error goes on.

    Of several processes the first to fail tells the reason: the others then fail for lack of it.
    """
    if not process():
        forget_failure(folder)
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


@contextmanager
def one_sentence(debug: bool) -> Iterator[None]:
    """Turn what is refused into its sentence and exit code 1; with debug, leave the trace."""
    try:
        yield
    except (ValueError, OSError) as error:
        if debug:
            raise
        say_error(error)
        raise SystemExit(1) from None
    except (MemoryError, ImportError, RuntimeError) as error:
        sentence = starved(error)
        if debug or sentence is None:
            raise
        say_error(sentence)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        say("Stopped by Ctrl-C", sys.stderr)
        raise SystemExit(130) from None
