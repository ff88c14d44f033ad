"""What a run's results depend on: the one definition, for its name, for what a folder may go on with, for comparisons.

All else, which DROPPED lists, may change between two starts of a run, or from machine to machine.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import data

FINGERPRINT = "data_fingerprint"  # the key beside the sections of a configuration that tells the data's files
BEGINNING = "init_fingerprint"  # another, that tells the weights of init=, where that is set
SEED, FOLD = "seed", "data.fold"  # what tells repeats of one experiment apart
ZOO = Path(__file__).parents[1] / "zoo"
# Sections and keys that change no result.
DROPPED = (
    "hydra",
    "resume",
    "debug",
    "init",  # what it names is told by its contents
    "objectives",
    "logger",
    "callbacks.checkpoint_minutes",
    "trainer.log_every_n_steps",
    "trainer.profiler",
    "task.samples_every",  # pictures on the way, of random numbers of their own
    "data.root",  # the fingerprint tells what lies there, wherever that is
    "data.test_root",
    "data.download",
    "data.workers",  # what a sample looks like depends on seed, epoch and index alone
    "data.cache",
    "data.on_error",  # these three only decide whether a set is refused
    "data.unlabelled",
    "data.absent_classes",
)
# Keys that came later, and the value at which they change nothing: runs keep the names that they had without them.
LATER: dict[str, Any] = {
    "data.bands": "auto",
    "data.nodata": "auto",
    "data.show": None,
    "data.unit": "",
    "data.degrade": {"blur": None, "noise": None, "jpeg": None},
    "data.value_nodata": "auto",
    "encoder.freeze": False,
    "model.classes": None,
    "task.ema": 0.0,
    "task.labels": "auto",
    "task.reuse_fakes": False,
}


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain dicts and lists, without Hydra's own section."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=True)  # type: ignore[return-value]  # a DictConfig gives a dict


def described(config: DictConfig) -> dict[str, Any]:
    """The plain configuration of a run, and beside its sections what tells its data's files from others."""
    own = plain(config)
    found = own | {FINGERPRINT: fingerprint(own["data"])}
    return found | {BEGINNING: beginning(own["init"])} if own.get("init") is not None else found


def beginning(init: Any) -> str | None:
    """What tells the weights that a run begins with from others, wherever they lie; None where they cannot be read,
    which is said when they are needed."""
    path = ZOO / str(init).removeprefix("zoo:") if str(init).startswith("zoo:") else Path(str(init))
    path = path / "model.safetensors" if path.is_dir() else path
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError:
        return None


_kept: dict[str, str | None] | None = None  # fingerprints by section


def keep_fingerprints() -> None:
    """Have files looked at once in this process: the jobs of a sweep are named alike from its start to its end."""
    global _kept
    _kept = {}


def fingerprint(section: Mapping[str, Any]) -> str | None:
    """What tells the files of a `data` section from others; None where they cannot be read, which is said when they
    are needed."""
    key = json.dumps({name: section.get(name) for name in ("name", "root", "test_root", "download")}, default=str)
    if _kept is not None and key in _kept:
        return _kept[key]
    try:
        found = data.fingerprint_of(section)
    except (ValueError, OSError):
        found = None
    if _kept is not None:
        _kept[key] = found
    return found


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a plain configuration, what a run's results depend on, in the same sections."""
    kept = {key: value for key, value in config.items() if not changes_nothing(key, value)}
    for section, keys in kept.items():
        if isinstance(keys, Mapping):
            kept[section] = {
                key: value for key, value in keys.items() if not changes_nothing(f"{section}.{key}", value)
            }
    return kept


def changes_nothing(key: str, value: Any) -> bool:
    """Whether a key, such as data.cache, changes no result, or not at this value."""
    return key in DROPPED or (key in LATER and value == LATER[key])


def digest(config: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of an identity."""
    settings = json.dumps(sorted(flat(identity(config)).items()), default=str)
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def name(config: DictConfig) -> str:
    """The name of a run's folder: the same for the same configuration of the same data; with resume=never, one not
    taken yet."""
    own = described(config)
    network, rest = joined(own["model"]["name"]), joined(own["upsample"]["name"], own["seed"], digest(own))
    base = f"{network}-{data_name(own['data'])}-{rest}"
    if not Path("runs", base).exists():  # the same data may have had another name, and the same digest is the same run
        base = next((path.name for path in sorted(Path("runs").glob(f"{network}-*-{rest}"))), base)
    if config.resume != "never":
        return base
    numbered = (f"{base}-{i}" for i in count(2))
    return next(n for n in chain([base], numbered) if not Path("runs", n).exists())


def data_name(section: Mapping[str, Any]) -> str:
    """What data are called in names of folders: as the set is or, of a folder of one's own, as that is."""
    return joined(called(section)) or "folder"


def called(section: Mapping[str, Any]) -> str:
    """What data are called: as the set is or, of a folder of one's own, as that is."""
    own = Path(str(section["root"])).resolve().name if section["name"] == "folder" and section.get("root") else ""
    return own or str(section["name"])


def joined(*parts: object) -> str:
    """A folder's name out of parts, whatever they were set to: no path, nothing that Hydra or a shell takes apart."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.-]", "_", str(each))[:60] for each in parts).lstrip(".-")


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as one, keys joined by dots."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return result


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys, such as task.lr, in which two plain configurations are not of one identity. A fingerprint that is not
    known is like any."""
    a, b = flat(identity(one)), flat(identity(other))
    keys = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    return [key for key in keys if key != FINGERPRINT or None not in (a.get(key), b.get(key))]


OmegaConf.register_new_resolver("run_name", lambda *, _root_: name(_root_), replace=True)
