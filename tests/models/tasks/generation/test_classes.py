"""A generator of classes from a folder of folders to a file: trained, kept, loaded, scored, put into a zoo."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

import train
from models import loading
from models.tasks import evaluation
from models.zoo.__main__ import main
from tests.tiny import configuration

TINY = [
    "model=sngan", "model.classes=auto", "model.width=4", "model.latent=8", "upsample=deconv", "data=folder",
    "data/augment=none", "task.batch_size=4", "task.score_images=8", "task.val_images=4", "trainer.max_steps=2",
    "trainer.val_check_interval=1", "task.samples_every=2", "trainer.precision=32-true",
]  # fmt: skip


def pictures(root: Path, *classes: str) -> Path:
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng((k, i)).integers(100 * k, 100 * k + 50, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    root = pictures(folder / "images of", "cats", "dogs")
    train.run(configuration(*TINY, f"data.root='{root}'"), folder)
    (folder / "command.txt").write_text("python train.py model=sngan\n")
    return folder


def test_a_run_leaves_a_network_that_knows_its_classes(run: Path) -> None:
    net = loading.load(run / "best.ckpt")
    assert net.classes == ["cats", "dogs"]
    z = torch.randn(3, 8)
    with torch.no_grad():
        assert net(z, torch.tensor([0, 1, 1])).shape == (3, 3, 32, 32)
    metrics = json.loads((run / "metrics.json").read_text())
    with Image.open(run / "samples/000002.png") as samples:
        assert samples.size == (8 * 34 + 2, 2 * 34 + 2)  # a row of each class
    assert metrics["macs_input"] == "1x10"  # 8 numbers of noise, and 2 classes
    assert (run / "report.png").stat().st_size > 20_000


def test_other_data_are_scored_where_they_have_the_same_classes(run: Path, tmp_path: Path) -> None:
    stored = loading.read(run / "best.ckpt")

    def task_on(root: Path) -> Any:
        data = stored.config["data"] | {"root": str(root)}
        pl.seed_everything(0, verbose=False)
        return evaluation.rebuild(stored, evaluation.data_of(stored, data), stored.config["task"])

    assert task_on(pictures(tmp_path / "same", "cats", "dogs")).names == ["cats", "dogs"]
    with pytest.raises(ValueError, match="other has the classes cats, wolves, but the network draws images of cats, d"):
        task_on(pictures(tmp_path / "other", "cats", "wolves"))
    with pytest.raises(ValueError, match="none has no classes, but the network draws images of cats, dogs; choose"):
        task_on(pictures(tmp_path / "none" / "images", "cats").parent)


def test_an_entry_of_a_zoo_draws_what_the_run_does(run: Path, tmp_path: Path) -> None:
    main(["--zoo", str(tmp_path), "export", str(run / "best.ckpt"), "--name", "pets"])
    z, label = torch.randn(2, 8), torch.tensor([1, 0])
    with torch.no_grad():
        assert torch.equal(loading.load(tmp_path / "pets")(z, label), loading.load(run / "best.ckpt")(z, label))
    assert "torch.tensor([0]))  # of the first class: cats" in (tmp_path / "pets/card.md").read_text()


def test_classes_that_the_data_do_not_have_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    root = pictures(tmp_path, "images")
    with pytest.raises(ValueError, match=r"model\.classes=auto needs data whose images are of classes"):
        train.run(configuration(*TINY, f"data.root='{root}'"), tmp_path / "run")
