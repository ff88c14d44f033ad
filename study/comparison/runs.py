"""Finding run folders, and sorting them into groups that differ in more than their seed, or fold."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from glob import glob
from itertools import count
from pathlib import Path
from typing import Any

from study import reading
from study.identity import FINGERPRINT, FOLD, SEED, called, flat, identity
from study.reading import printable
from study.run_folder import read_failure

MAX_LABEL = 120  # characters

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
    data: str = ""  # what its data are called: the set's name or, of a folder of one's own, that one's

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
        runs = {folder for each in folders for folder in (each, *subfolders(each)) if may_be_run(folder)}
        if not runs:
            raise ValueError(
                f"{place} holds no run: name run folders, such as runs/unet-earth-deconv-0-1a2b3c4d, a folder of them, "
                "or a pattern such as 'runs/unet-*'"
            )
        found |= runs
    return sorted(found)


def may_be_run(folder: Path) -> bool:
    """Whether a folder holds a configuration, or may not be entered, which is said when it is read."""
    return os.path.lexists(folder / "config.yaml") or (os.path.isdir(folder) and not os.access(folder, os.X_OK))


def subfolders(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where that is none, or may not be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def read(folder: Path) -> Run:
    """A run from its folder, wherever it was made. Raises ValueError, in a sentence that names the file, for what
    cannot be one."""
    config = reading.config(folder)
    metrics = reading.metrics(folder)
    settings = flat(identity(config))
    reason = "" if metrics else read_failure(folder) or "unfinished"
    return Run(folder, settings, config[SEED], metrics, reason, called(config["data"]))


def read_all(folders: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """The runs of those folders that hold one, and a sentence for each that does not."""
    runs, refused = [], []
    for folder in folders:
        try:
            runs.append(read(folder))
        except ValueError as error:
            refused.append(printable(str(error)))
    return runs, refused


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
        identity = json.dumps(same, sort_keys=True)
        repeat = f"{run.seed}, fold {run.settings.get(FOLD)}" if folds else run.seed
        groups.setdefault(identity, Group(same)).runs[repeat] = run
    result = list(groups.values())
    telling, taken = telling_keys([each.settings for each in result]), set()
    for each in result:
        each.label = label = label_of(each.settings, telling)
        for number in count(2):
            if each.label not in taken:
                break
            each.label = f"{label} ({number})"
        taken.add(each.label)
    return sorted(result, key=lambda each: each.label)


def label_of(settings: Settings, telling: list[str]) -> str:
    """What tells a group from the others, in a few words."""
    shown = [
        str(settings[key]) if key.endswith(".name") else f"{key.split('.')[-1]}={settings[key]}"
        for key in telling
        if key in settings
    ]
    label = ", ".join(shown) or str(settings.get("upsample.name", "all"))
    return label if len(label) <= MAX_LABEL else f"{label[:MAX_LABEL]}…"


def differing(settings: list[Settings]) -> list[str]:
    """The keys whose values are not the same everywhere, missing ones included."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({value_of(each, key) for each in settings}) > 1]


def telling_keys(settings: list[Settings]) -> list[str]:
    """Few keys that tell all apart: names first, the upsampler's before the others', then what splits them most."""
    candidates = differing(settings)
    columns = {key: [value_of(each, key) for each in settings] for key in candidates}
    chosen: list[str] = []
    kinds: list[tuple[str, ...]] = [()] * len(settings)  # of each, the values of the chosen keys

    def with_(key: str) -> list[tuple[str, ...]]:
        return [(*kind, value) for kind, value in zip(kinds, columns[key], strict=True)]

    names = sorted((k for k in candidates if k.endswith(".name")), key=lambda key: (key != "upsample.name", key))
    for key in names:
        if len(set(with_(key))) > len(set(kinds)):
            chosen.append(key)
            kinds = with_(key)
    while len(set(kinds)) < len(settings):
        chosen.append(max(candidates, key=lambda key: len(set(with_(key)))))
        kinds = with_(chosen[-1])
    return chosen


def value_of(settings: Settings, key: str) -> str:
    """A setting as text, `(none)` where there is no such key."""
    return json.dumps(settings[key]) if key in settings else "(none)"
