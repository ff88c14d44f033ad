"""Finding run folders, and sorting them into groups that differ in more than their seed, or fold."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from study import run_folder
from study.identity import FINGERPRINT, FOLD, SEED, flat, identity

Settings = dict[str, Any]  # a resolved configuration, flat: "upsample.name" -> "deconv"
Repeat = int | str  # which run of a group: its seed, or "seed, fold k" where the runs are of several folds


def in_order(repeats: Iterable[Repeat]) -> list[Repeat]:
    """By seed, or seed and fold."""
    return sorted(repeats)  # type: ignore[type-var]  # of runs that are compared all are numbers, or all are text


@dataclass(frozen=True)
class Run:
    """A run's folder and what lies in it: `settings` are its identity's; `metrics` is None where it has not finished,
    and `reason` then says why."""

    folder: Path
    settings: Settings
    seed: int
    metrics: dict[str, Any] | None
    reason: str = ""

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes runs comparable at all: the task, the data's name, and the fingerprint of its files, if known."""
        task, name, files = (str(self.settings.get(key) or "") for key in ("task.name", "data.name", FINGERPRINT))
        return task, name, files


@dataclass
class Group:
    """Runs of one configuration, by seed or by seed and fold."""

    settings: Settings
    label: str = ""
    runs: dict[Repeat, Run] = field(default_factory=dict)

    def values(self, score: str) -> dict[Repeat, float]:
        """A score by seed, of the finished runs that have it."""
        found = {seed: (self.runs[seed].metrics or {}).get(score) for seed in in_order(self.runs)}
        return {seed: value for seed, value in found.items() if value is not None}

    @property
    def finished(self) -> list[Run]:
        """The finished runs, in the order of their seeds."""
        return [self.runs[seed] for seed in in_order(self.runs) if self.runs[seed].metrics]


def find(places: Iterable[str]) -> list[Path]:
    """The run folders among folders, folders of runs, and glob patterns, in the order of their names.

    Raises ValueError where a place holds none.
    """
    found: set[Path] = set()
    for place in places:
        folders = [Path(match) for match in glob(place)]
        configs = [c for folder in folders for c in (folder / "config.yaml", *folder.glob("*/config.yaml"))]
        runs = {config.parent for config in configs if config.exists()}
        if not runs:
            raise ValueError(
                f"{place} holds no run: name run folders, such as runs/unet-earth-deconv-0-1a2b3c4d, a folder of them, "
                "or a pattern such as 'runs/unet-*'"
            )
        found |= runs
    return sorted(found)


def read(folder: Path) -> Run:
    """A run from its folder, wherever it was made. Raises ValueError where config.yaml cannot be one of a run."""
    config = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    metrics = run_folder.read_metrics(folder)
    return of_configuration(folder, config, metrics, "" if metrics else run_folder.read_failure(folder) or "unfinished")


def of_configuration(folder: Path, config: Any, metrics: dict[str, Any] | None, reason: str) -> Run:
    """A run of a configuration of nested dicts, as identity.described gives it."""
    settings = flat(identity(config)) if isinstance(config, dict) else {}
    for key in ("seed", "task.name", "data.name"):
        if key not in settings:
            raise ValueError(f"{folder / 'config.yaml'} has no {key}, so it is not the configuration of a run")
    return Run(folder, settings, settings["seed"], metrics, reason)


def is_repeat(key: str) -> bool:
    """Whether a key tells repeats of one experiment apart: the seed, or what is derived of it, or the fold."""
    return key.split(".")[-1] == SEED or key == FOLD


def group(runs: Iterable[Run]) -> list[Group]:
    """Runs of one kind by everything but the seed and the fold of a cross-validation, labelled with what tells them
    apart.

    Of two runs of the same configuration and seed the finished one counts, then the one whose folder's name comes last.
    """
    runs = list(runs)
    folds = len({run.settings.get(FOLD) for run in runs}) > 1
    groups: dict[str, Group] = {}
    for run in sorted(runs, key=lambda run: (run.metrics is not None, run.folder.name)):
        same = {key: value for key, value in run.settings.items() if not is_repeat(key)}
        identity = json.dumps(same, sort_keys=True, default=str)
        repeat = f"{run.seed}, fold {run.settings.get(FOLD)}" if folds else run.seed
        groups.setdefault(identity, Group(same)).runs[repeat] = run
    result = list(groups.values())
    telling = telling_keys([each.settings for each in result])
    for each in result:
        shown = [key for key in telling if key in each.settings]
        each.label = ", ".join(
            str(each.settings[key]) if key.endswith(".name") else f"{key.split('.')[-1]}={each.settings[key]}"
            for key in shown
        ) or str(each.settings.get("upsample.name", "all"))  # fmt: skip
    return sorted(result, key=lambda each: each.label)


def differing(settings: list[Settings]) -> list[str]:
    """The keys whose values are not the same everywhere, missing ones included."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({value_of(each, key) for each in settings}) > 1]


def telling_keys(settings: list[Settings]) -> list[str]:
    """Few keys that tell all apart: names first, the upsampler's before the others', then what splits them most."""

    def told_apart(keys: list[str]) -> int:
        return len({tuple(value_of(each, key) for key in keys) for each in settings})

    candidates = differing(settings)
    names = sorted((k for k in candidates if k.endswith(".name")), key=lambda key: (key != "upsample.name", key))
    chosen: list[str] = []
    for key in names:
        if told_apart([*chosen, key]) > told_apart(chosen):
            chosen.append(key)
    while told_apart(chosen) < len(settings):
        chosen.append(max(candidates, key=lambda key: told_apart([*chosen, key])))
    return chosen


def value_of(settings: Settings, key: str) -> str:
    """A setting as text, `(none)` where there is no such key."""
    return json.dumps(settings[key], default=str) if key in settings else "(none)"
