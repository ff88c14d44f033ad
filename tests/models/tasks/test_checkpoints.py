"""Runs that are interrupted inside an epoch or stopped by signals, checkpoints that cannot be written, damaged ones."""

import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import upsample
from data import DataModule, Images, LabelledImages
from data.augment import Augment
from models.dcgan import DCGAN
from models.super_resolution import ESPCN
from models.tasks import build_trainer, feature_networks, fit
from models.tasks.checkpoints import RandomNumbers, damage, newest
from models.tasks.gan import GAN
from models.tasks.segmentation import Segmentation
from models.tasks.super_resolution import SuperResolution
from models.tasks.task import Task

COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
INFO = LabelledImages("noise", (0.5,), (0.25,), ["a", "b", "c"], COLOURS, [1.0, 1.0, 1.0])
GREY = Images("noise", (0.5,), (0.25,))
EPOCHS = {"max_epochs": 3}
STEPS = {"max_epochs": -1, "max_steps": 8, "check_val_every_n_epoch": None, "val_check_interval": 2}
BOTH = {"max_epochs": 3, "max_steps": 8}
HALVES = {"max_epochs": 3, "val_check_interval": 2}
ACCUMULATED = {"max_epochs": 3, "accumulate_grad_batches": 2}


class Noise:
    """`count` grey images of 32 x 32 pixels and their masks; the same index gives the same."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = np.random.default_rng(index)
        image = torch.from_numpy(drawn.integers(256, size=(1, 32, 32), dtype=np.uint8))
        return {"image": image, "mask": image[0] // 86, "name": str(index)}


class Dropping(nn.Module):
    """A network whose steps draw random numbers of torch, NumPy and Python."""

    normalisation, period = None, 1

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 3, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        noise = random.random() + np.random.rand() if self.training else 0.0
        return self.layer(x + 0.1 * noise)


@pytest.fixture(autouse=True)
def _no_feature_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_networks, "find", lambda: None)


def build(kind: str) -> Task:
    pl.seed_everything(0, verbose=False)
    if kind == "segmentation":
        return Segmentation(
            Dropping(), INFO, loss="cross_entropy", dice=0.0, auxiliary=0.0, lr=1e-2, schedule="one_cycle", warmup=0.1,
            weight_decay=1e-2, layer_decay=1.0, inference={}, checkerboard_images=1, gradient_checkerboard=False,
        )  # type: ignore[arg-type]  # fmt: skip
    if kind == "super_resolution":
        enlarger = ESPCN(1, partial(upsample.build, "pixel_shuffle"), scale=2)
        return SuperResolution(enlarger, GREY, loss="l1", lr=1e-3, warmup=0.1, checkerboard_images=1)
    network = DCGAN(1, partial(upsample.build, "deconv"), size=32, latent=5, width=4)
    return GAN(
        network, GREY, loss="bce", d_steps=2, gradient_penalty=0.0, r1=0.0, lr=1e-3,
        betas=[0.5, 0.999], ema_decay=0.9, samples_every=100, score_images=4, val_images=4,
        gradient_checkerboard=False, seed=0,
    )  # fmt: skip


def train(task: Task, folder: Path, workers: int = 0, **options: Any) -> pl.Trainer:
    folder.mkdir(exist_ok=True)
    parts = Noise(13), Noise(4), Noise(4)
    data = DataModule(
        INFO, *parts, augment=Augment({"horizontal_flip": 0.5}, 32), batch_size=4, seed=0, workers=workers
    )
    plain = {"accelerator": "cpu", "precision": "32-true", "checkpoint_minutes": 0}
    running = build_trainer(plain | options, folder, task)
    fit(running, task, data, folder)
    return running


def assert_same(one: Any, other: Any, at: str = "") -> None:
    assert type(one) is type(other), at
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_same(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), at
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{at}/{i}")
    elif isinstance(one, Tensor):
        assert torch.equal(one, other), at
    else:
        assert one == other, at


CASES = [
    ("segmentation", EPOCHS, 0), ("segmentation", EPOCHS, 2), ("segmentation", STEPS, 0), ("segmentation", BOTH, 0),
    ("segmentation", HALVES, 0), ("segmentation", ACCUMULATED, 0), ("super_resolution", STEPS, 0),
    ("super_resolution", STEPS, 2), ("gan", STEPS, 0), ("gan", STEPS, 2), ("gan", EPOCHS, 0),
]  # fmt: skip


def train_until(step: int, task: Task, folder: Path, workers: int = 0, **options: Any) -> None:
    """Interrupt training when the batch of a step has arrived."""

    def failing(*_: Any) -> None:
        if task.trainer.global_step == step:
            raise RuntimeError("the power went out")

    task.on_train_batch_start = failing  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the power went out"):
        train(task, folder, workers, **options)


def assert_same_end(one: Path, other: Path) -> None:
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    first, second = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (one, other))
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert_same(first[key], second[key], key)
    assert_same(first["callbacks"]["RandomNumbers"], second["callbacks"]["RandomNumbers"])


@pytest.mark.parametrize(("kind", "options", "workers"), CASES)
def test_a_run_interrupted_before_every_step_ends_as_if_it_never_was(
    kind: str, options: dict[str, Any], workers: int, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    steps = train(build(kind), whole, workers, **options).global_step
    for step in range(1, steps):
        train_until(step, build(kind), parts, workers, **options)
    train(build(kind), parts, workers, **options)
    assert_same_end(whole, parts)


def test_a_checkpoint_that_a_full_disk_refuses_leaves_the_one_before_it(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(build("segmentation"), whole, **EPOCHS)
    train_until(4, build("segmentation"), parts, **EPOCHS)
    before = (parts / "last.ckpt").read_bytes()
    (parts / "last.ckpt.partial").symlink_to("/dev/full")  # where every write ends as on a full disk
    sentence = r"last.ckpt could not be written \(No space left on device\), the one before it is whole"
    with pytest.raises(ValueError, match=sentence):
        train(build("segmentation"), parts, **EPOCHS)
    assert (parts / "last.ckpt").read_bytes() == before
    assert sorted(path.name for path in parts.iterdir()) == ["best.ckpt", "history.csv", "last.ckpt"]
    train(build("segmentation"), parts, **EPOCHS)
    assert_same_end(whole, parts)


@pytest.mark.parametrize(
    ("number", "when", "workers"),
    [
        (signal.SIGTERM, "on_train_batch_start", 0),
        (signal.SIGTERM, "on_validation_start", 0),
        (signal.SIGUSR1, "on_before_optimizer_step", 2),
        (signal.SIGINT, "on_train_batch_start", 0),
    ],
)
def test_a_signal_saves_ends_as_no_success_and_the_run_continues(
    number: signal.Signals, when: str, workers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(build("segmentation"), whole, **EPOCHS)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    task = build("segmentation")

    def send(*_: Any) -> None:
        if task.trainer.global_step == 3:
            os.kill(os.getpid(), number)

    setattr(task, when, send)
    with pytest.raises(SystemExit) as stopped:
        train(task, parts, workers, checkpoint_minutes=60, **EPOCHS)
    assert stopped.value.code == (130 if number == signal.SIGINT else 143)
    assert f"after step 4, which {parts / 'last.ckpt'} keeps; start the same command again" in capsys.readouterr().out
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == handlers
    train(build("segmentation"), parts, **EPOCHS)
    assert "Continuing after step 4" in capsys.readouterr().out
    assert_same_end(whole, parts)


def test_a_signal_in_the_last_validation_ends_the_run_before_its_test(tmp_path: Path) -> None:
    task = build("segmentation")
    task.on_validation_end = lambda: os.kill(os.getpid(), signal.SIGTERM)  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match="143"):
        train(task, tmp_path, max_epochs=1)
    assert train(build("segmentation"), tmp_path, max_epochs=1).global_step == 3


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path) -> None:
    task = build("segmentation")
    begun = []

    def send(*_: Any) -> None:
        begun.append(task.trainer.global_step)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    task.on_train_batch_start = send  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match="130"):
        train(task, tmp_path, **EPOCHS)
    assert begun == [0]
    assert not list(tmp_path.iterdir())


def test_truncated_damaged_and_leftover_files_are_not_taken_for_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert newest(tmp_path) is None
    (tmp_path / "last.ckpt.partial").write_bytes(b"half of a checkpoint")
    assert newest(tmp_path) is None
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    torch.save({"weights": torch.arange(100.0)}, best)
    assert newest(tmp_path) == best
    torch.save({"weights": torch.arange(1000.0)}, last)
    assert newest(tmp_path) == last
    assert capsys.readouterr().out == ""
    intact = last.read_bytes()
    for length in (0, 1, 100, len(intact) // 2, len(intact) - 1):
        last.write_bytes(intact[:length])
        assert newest(tmp_path) == best
        assert f"{last} is damaged" in capsys.readouterr().out
    flipped = bytearray(intact)
    flipped[len(intact) // 2] ^= 1
    last.write_bytes(flipped)
    assert "the checksum of" in (damage(last) or "")
    best.unlink()
    assert newest(tmp_path) is None


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    np.random.randn(), random.gauss(0, 1)  # leaves one half-used pair of normal numbers in each
    torch.save(RandomNumbers().state_dict(), tmp_path / "state")
    expected = random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand(), torch.rand(3).tolist()
    resumed = RandomNumbers()
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed.on_train_batch_start()
    found = random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand(), torch.rand(3).tolist()
    assert found == expected
    resumed.on_train_batch_start()
    assert random.random() != expected[1]  # once only
