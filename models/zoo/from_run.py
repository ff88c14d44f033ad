"""From a finished run to an entry of the zoo."""

import json
import math
import shlex
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml

from models.trained import checkpoint, saved
from models.trained.saved import Saved
from models.zoo import entry as entries
from models.zoo import index
from models.zoo.card import card
from models.zoo.index import Entry
from models.zoo.plain_file import contents
from models.zoo.preview import write_preview
from models.zoo.verify import score
from plumbing.messages import printable

MAX_BYTES = 2**20  # of a run's metrics.json and command.txt
# What a card tells of a run's metrics.json beside its scores, which are numbers.
MEASURED: dict[str, tuple[type, ...]] = {
    "parameters": (int,), "seconds": (int, float), "precision": (str,), "machine": (str,)
}  # fmt: skip


def as_used(stored: Saved, half: bool) -> Saved:
    """What is used of a saved network once trained, as it is to be stored: collapsed where it can be, and with the
    configuration that builds it so. Raises ValueError for what half precision cannot hold."""
    network = saved.build(stored)
    config = stored.config | {"model": stored.config["model"] | network.collapse()}
    prefix = f"{network.used}." if network.used else ""
    weights = {f"{prefix}{k}": v.contiguous() for k, v in network.get_submodule(network.used).state_dict().items()}
    if not half:
        return Saved(config, weights)
    halved = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    for key, value in halved.items():
        if not torch.equal(value.isfinite(), weights[key].isfinite()):
            raise ValueError(f"{key} has values beyond half precision; export without --half")
    return Saved(config, halved)


def metrics_and_command(run: Path) -> tuple[dict[str, Any], str]:
    """What a finished run measured, and the command that started it. Raises ValueError where there is none, or where
    it is not as train.py writes it."""
    found = {}
    for name in ("metrics.json", "command.txt"):
        try:
            found[name] = contents(run / name, MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"{run} holds no {name}, so it is no folder of a run that train.py finished; a card needs it"
            ) from None
    try:
        metrics = json.loads(found["metrics.json"])
    except (ValueError, RecursionError):
        metrics = None
    for key, kinds in MEASURED.items():
        value = metrics.get(key, "") if isinstance(metrics, dict) else None
        if type(value) not in kinds or not str(value).isprintable():
            raise ValueError(f"{run / 'metrics.json'} is not as train.py writes it: it gives no {key}")
    numbers = {k: v for k, v in metrics.items() if k in MEASURED or type(v) in (int, float, type(None))}
    return numbers, printable(found["command.txt"].decode(errors="backslashreplace"), MAX_BYTES)


def without_places(config: dict[str, Any], command: str) -> tuple[dict[str, Any], str]:
    """A configuration and its command, without the absolute paths that the command gave for data: where those lie on
    the machine that trained helps nobody elsewhere, and tells more than a card should."""
    data, words = dict(config["data"]), shlex.split(command)
    for i, word in enumerate(words):
        key, _, value = word.partition("=")
        # train.py writes paths in the quotes that Hydra's grammar asks for.
        if key.startswith("data.") and Path(value.strip("'\"")).is_absolute():
            data[key.removeprefix("data.")], words[i] = None, f"{key}=DIR"
    return config | {"data": data}, shlex.join(words)


def export(path: Path, name: str, zoo: Path, half: bool, licence: str | None) -> Entry:
    """Make an entry of a run's checkpoint, score its weights as stored, and put it into the zoo.

    half     weights in float16, half the size; what that costs is in the scores
    licence  of the data; None: those of the data set
    Raises ValueError.
    """
    index.check_name(name)
    taken = {other for other in index.read(zoo) if other != name and index.identifier(other) == index.identifier(name)}
    if taken:
        raise ValueError(f"torch.hub could not tell {name} from {taken.pop()}; choose another name")
    trained, command = metrics_and_command(path.parent)
    stored = checkpoint.read(path)
    made = as_used(stored, half)
    config, command = without_places(made.config, command)
    zoo.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=zoo, prefix=".") as folder:
        staged = Path(folder, name)
        staged.mkdir()
        (staged / "model.safetensors").write_bytes(safetensors.torch.save(made.weights))
        (staged / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        task, measured = score(Saved(config, made.weights), stored.config["data"], Path(folder))
        write_preview(staged / "preview.png", {k: v for k, v in task.example_arrays().items() if v.ndim == 3})
        files = entries.measured(staged, without="card.md")
        text = card(name, config, command, measured, trained, files, half, licence)
        (staged / "card.md").write_text(text, encoding="utf-8")
        numbers = {k: v for k, v in measured.items() if k.startswith("test/") and not isinstance(v, str)}
        scores = {k: None if math.isnan(v) else v for k, v in numbers.items()}
        entry = Entry(config["task"]["name"], config["upsample"]["name"], scores, entries.measured(staged))
        entries.install(staged, zoo, name, entry)
    return entry
