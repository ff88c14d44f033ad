"""Runs that fail in their third step and are continued, with each of Lightning's loggers: what its files then hold."""

import csv
import importlib
import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch
import yaml

import train
from models.tasks.segmentation.task import Segmentation
from models.training import loggers
from study import identity
from tests.tiny import CONF, TINY, composed, configuration

Log = dict[str, list[tuple[int, float]]]  # steps and values, by key


def read_csv(folder: Path) -> tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]:
    log: Log = defaultdict(list)
    with (folder / "csv/metrics.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            for key, value in line.items():
                if value and key != "step":
                    log[key].append((int(line["step"]), float(value)))
    settings = yaml.safe_load((folder / "csv/hparams.yaml").read_text())
    return log, settings["upsample"], {}


def read_tensorboard(folder: Path) -> tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert len(list(folder.glob("tensorboard/events.*"))) >= 2  # one of each start, at least
    events = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0}).Reload()
    log = {key: [(each.step, each.value) for each in events.Scalars(key)] for key in events.Tags()["scalars"]}
    settings = yaml.safe_load((folder / "tensorboard/hparams.yaml").read_text())
    pictures = {key: events.Images(key)[-1] for key in events.Tags()["images"]}
    return log, settings["upsample"], {key: (each.height, each.width) for key, each in pictures.items()}


def read_mlflow(folder: Path) -> tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    place = client.get_experiment_by_name("evenly")
    assert place is not None
    (run,) = client.search_runs([place.experiment_id])  # both starts
    assert (run.info.run_name, run.info.status) == (folder.name, "FINISHED")
    log = {
        key: [(e.step, e.value) for e in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics
    }
    pictures = {path.stem: matplotlib.image.imread(path).shape[:2] for path in folder.glob("mlflow/*/artifacts/*.png")}
    prefix = "upsample/"
    settings = {k.removeprefix(prefix): yaml.safe_load(v) for k, v in run.data.params.items() if k.startswith(prefix)}
    return log, {k: None if v == "None" else v for k, v in settings.items()}, pictures


def wandb_records(path: Path) -> Iterator[bytes]:
    """What a file of Weights & Biases holds: LevelDB's log format, behind a header of 7 bytes."""
    content, at, record = path.read_bytes(), 7, b""
    while at < len(content):
        if 32768 - at % 32768 < 7:  # too little of the block is left for another one
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


def read_wandb(folder: Path) -> tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]:
    from wandb.proto.wandb_internal_pb2 import Record

    log: Log = defaultdict(list)
    settings: dict[str, Any] = {}
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    assert [path.name for path in files] == [f"run-{folder.name}.wandb"] * 2  # one of each start
    for path in files:
        for each in wandb_records(path):
            record = Record.FromString(each)
            updates = [*record.config.update, *record.run.config.update]
            settings |= {item.key or item.nested_key[0]: json.loads(item.value_json) for item in updates}
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            for key, value in items.items():
                if "trainer/global_step" in items and isinstance(value, int | float):
                    log[key].append((items["trainer/global_step"], value))
    found = folder.glob("wandb/offline-run-*/files/media/images/*.png")
    pictures = {path.name.split("_")[0]: matplotlib.image.imread(path).shape[:2] for path in found}
    return log, settings["upsample"], pictures


READERS: dict[str, Callable[[Path], tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]]]
READERS = {"csv": read_csv, "tensorboard": read_tensorboard, "wandb": read_wandb, "mlflow": read_mlflow}


@pytest.fixture(scope="module")
def unlogged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped, without a log."""
    folder = tmp_path_factory.mktemp("unlogged")
    train.run(configuration(*TINY), folder)
    return folder


@pytest.mark.parametrize("name", READERS)
def test_a_continued_run_goes_on_in_its_log_and_ends_with_the_same_weights(
    name: str, unlogged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytest.importorskip(name, reason=f"needs the extra {name}, too large for every test run")
    step = Segmentation.training_step

    def failing(self: Segmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        if self.trainer.global_step == 3:
            raise RuntimeError("the power went out")
        return step(self, batch, index)

    config = configuration(*TINY, f"logger={name}", "logger.every=1")
    monkeypatch.setattr(Segmentation, "training_step", failing)
    with pytest.raises(RuntimeError, match="the power went out"):
        train.run(config, tmp_path)
    if name == "wandb":
        package.finish(exit_code=1)  # as the end of a process does
    monkeypatch.setattr(Segmentation, "training_step", step)
    metrics = train.run(config, tmp_path)

    log, upsampler, pictures = READERS[name](tmp_path)
    # Step 2 is after the checkpoint that the run continues from: twice, and the same.
    assert [at for at, _ in log["train/loss"]] == [0, 1, 2, 2, 3]
    assert log["train/loss"][2] == log["train/loss"][3]
    with (tmp_path / "history.csv").open(newline="") as file:
        history = [float(line["val/miou"]) for line in csv.DictReader(file)]
    assert log["val/miou"] == [(1, pytest.approx(history[0])), (3, pytest.approx(history[1]))]
    assert log["test/miou"] == [(4, pytest.approx(metrics["test/miou"]))]
    assert len(log["baseline/miou"]) == 1
    assert upsampler == config["upsample"]
    for key, shape in pictures.items():
        assert matplotlib.image.imread(tmp_path / f"{key}.png").shape[:2] == shape
    if name != "csv":
        assert set(pictures) == {"report", "confusion"}

    ended = [torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (unlogged, tmp_path)]
    assert all(torch.equal(value, ended[1][key]) for key, value in ended[0].items())
    scores = [json.loads((folder / "metrics.json").read_text())["test/miou"] for folder in (unlogged, tmp_path)]
    assert scores[0] == scores[1]


def test_each_choice_composes_and_names_the_same_run() -> None:
    choices = {path.stem for path in (CONF / "logger").glob("*.yaml")}
    assert choices == {"none", *loggers.LOGGERS}
    configs = {choice: composed("config", f"logger={choice}") for choice in choices}
    assert all(config.logger.name == choice for choice, config in configs.items())
    assert len({identity.name(config) for config in configs.values()}) == 1


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_without_its_package_the_extra_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=rf"logger={name} needs {name}, .* --extra {name} .* pip install {name}"):
        loggers.build(configuration(f"logger={name}")["logger"], tmp_path)
    assert not list(tmp_path.iterdir())
