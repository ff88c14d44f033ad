"""Runs that fail in their third step and are continued, with each of Lightning's loggers: what its files then hold."""

import csv
import importlib
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir

import run_folder
import train
from models.tasks import logs
from models.tasks.segmentation import Segmentation

CONF = Path(train.__file__).parent / "conf"
TINY = [
    "encoder.width=4",
    "encoder.depth=2",
    "data.crop=64",
    "data.step=256",
    "data.batch_size=4",
    "trainer.max_epochs=2",
    "trainer.precision=32-true",
    "+trainer.limit_train_batches=2",
    "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1",
]
Log = dict[str, list[tuple[int, float]]]  # steps and values, by key


def configuration(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return run_folder.plain(compose("config", [*TINY, *overrides]))


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


READERS: dict[str, Callable[[Path], tuple[Log, dict[str, Any], dict[str, tuple[int, int]]]]]
READERS = {"csv": read_csv, "tensorboard": read_tensorboard}


@pytest.fixture(scope="module")
def unlogged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped, without a log."""
    folder = tmp_path_factory.mktemp("unlogged")
    train.run(configuration(), folder)
    return folder


@pytest.mark.parametrize("name", READERS)
def test_a_continued_run_goes_on_in_its_log_and_ends_with_the_same_weights(
    name: str, unlogged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name, reason=f"needs the extra {name}")
    step = Segmentation.training_step

    def failing(self: Segmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        if self.trainer.global_step == 3:
            raise RuntimeError("the power went out")
        return step(self, batch, index)

    config = configuration(f"logger={name}", "logger.every=1")
    monkeypatch.setattr(Segmentation, "training_step", failing)
    with pytest.raises(RuntimeError, match="the power went out"):
        train.run(config, tmp_path)
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
    assert choices == set(logs.LOGGERS)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = {choice: compose("config", [f"logger={choice}"]) for choice in choices}
    assert all(config.logger.name == choice for choice, config in composed.items())
    assert len({run_folder.name(config) for config in composed.values()}) == 1


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_without_its_package_the_extra_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=rf"logger={name} needs {name}, .* --extra {name} train.py .*\[{name}\]"):
        logs.build(configuration(f"logger={name}")["logger"], tmp_path)
    assert not list(tmp_path.iterdir())
