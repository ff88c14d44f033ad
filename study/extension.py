"""A finished run, made longer: the same configuration with more epochs or steps goes on where the shorter one ended."""

import glob
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from plumbing.atomic import whole
from study import reading
from study.identity import FINGERPRINT, differing, digest

LENGTH = ("max_epochs", "max_steps")  # of the section trainer
KEPT = ("last.ckpt", "best.ckpt", "history.csv")


def extend(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Where a run has not begun and a finished one beside it is the same but shorter, let it go on from there. Returns
    what was done, or why that one cannot be extended, in a sentence; None where there is none.

    Only a training whose every step is that of a longer one too can be: of a constant learning rate.
    """
    if any((folder / name).exists() for name in KEPT):
        return None
    shorter = longest(folder, config)
    if shorter is None:
        return None
    why = refusal(config)
    if why:
        return f"{shorter} is the same run, but shorter; it cannot be extended, and this one starts afresh: {why}"
    for name in KEPT:
        if (shorter / name).exists():
            with whole(folder / name) as partial:
                shutil.copyfile(shorter / name, partial)
    return f"This run goes on where {shorter}, the same but shorter, ended"


def of_any_length(config: Mapping[str, Any]) -> str:
    """What tells a run from others, but not from itself made longer or shorter."""
    return digest({**config, "trainer": {k: v for k, v in config["trainer"].items() if k not in LENGTH}})


def longest(folder: Path, config: Mapping[str, Any]) -> Path | None:
    """Of the finished runs beside a folder that are the same but shorter, the one with most steps."""
    start, found = glob.escape(folder.name.rpartition("-")[0]), []
    for path in sorted(folder.parent.glob(f"{start}-*/metrics.json")) if start else []:
        with suppress(ValueError):  # another's configuration is not whole
            other = reading.config(path.parent)
            keys = set(differing(other, config))
            if keys and keys <= {f"trainer.{key}" for key in LENGTH} and FINGERPRINT not in keys:
                before, after = (length(each) for each in (other, config))
                if before is not None and after is not None and before < after:
                    found.append((before, path.parent))
    return max(found)[1] if found else None


def length(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Epochs and steps after which a configuration ends, those without bound as many as can be; None where it leaves
    both to the data."""
    epochs, steps = (config["trainer"].get(key) for key in LENGTH)
    if not isinstance(epochs, int) and (not isinstance(steps, int) or steps == -1):
        return None
    bounds = [each if isinstance(each, int) and each != -1 else 2**31 for each in (epochs, steps)]
    return bounds[0], bounds[1]


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why a training of this configuration is not the beginning of a longer one; None where it is."""
    task = config["task"]
    if task["name"] != "gan" and task.get("schedule") != "constant":
        name = task.get("schedule", "one_cycle")
        other = ", as with task.schedule=constant" if "schedule" in task else ""
        return f"its learning rate ends with its last step ({name}), and would have to be the same throughout{other}"
    if isinstance(config["callbacks"].get("patience"), int):
        return "it may have ended early by callbacks.patience"
    return None
