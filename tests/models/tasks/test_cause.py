"""The layers that a pattern comes from, in any task; repaired networks, written and read again."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import upsample
from models import loading
from models.tasks import cause
from models.trained import checkpoint, saved
from models.trained.saved import Saved, Trained
from models.training.task import Task
from models.training.trainer import build_trainer
from tests.models.tasks import tiny_runs
from tests.models.tasks.tiny_runs import build


class Photos:
    """`count` smooth grey images of 96 x 96 pixels."""

    def __init__(self, count: int) -> None:
        noise = torch.randn(count, 1, 24, 24, generator=torch.Generator().manual_seed(0))
        smooth = torch.nn.functional.interpolate(noise, (96, 96), mode="bicubic")
        self.images = (128 + 40 * smooth).clamp(0, 255).byte()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "mask": (self.images[index, 0] // 86).clamp(0, 2), "name": str(index)}


class Enlarging(nn.Module):
    """Halves the image and doubles it again, with a layer that prints; the channels of tiny_runs.INFO."""

    normalisation, period, used = None, 2, ""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 4, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
        self.head = nn.Conv2d(4, 3, 1)

    def upsamplers(self) -> list[nn.Module]:
        return [self.up]

    def notes(self) -> list[str]:
        return []

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.up(self.down(x).relu()))


def task_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(tiny_runs, "Dropping", Enlarging)
    task = build(kind)
    if kind == "super_resolution":
        (conv,) = (m for m in task.network.modules() if isinstance(m, nn.Conv2d) and m.out_channels == 4)
        nn.init.normal_(conv.weight, std=0.1)  # phases that differ
    return task.eval()


SOURCES = {"segmentation": "up", "super_resolution": "enlarge.0.conv", "gan": "levels.2.conv"}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_layer_that_prints_is_named_and_the_repaired_network_prints_less(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task, photos = task_of(kind, monkeypatch), Photos(8)
    before = copy.deepcopy(task.network.state_dict())
    found = cause.attribution(task, photos)
    assert SOURCES[kind] in [part.name for part in found.sources]
    assert SOURCES[kind] in cause.source(found)
    assert found.repaired < 0.5 * found.whole
    assert "more measurements" in capsys.readouterr().out
    for name, value in task.network.state_dict().items():  # left as it was
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", SOURCES)
def test_inputs_are_what_the_network_takes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(kind, monkeypatch)
    inputs = task.inputs(Photos(8), 3)
    assert sum(map(len, inputs)) == 3
    with torch.no_grad():
        for batch in inputs:
            assert cause.used(task)(batch).isfinite().all()
    if kind != "gan":  # spread over all samples, and no more than there are
        assert len(task.inputs(Photos(2), 3)) == 2


def test_a_written_network_is_read_as_any_checkpoint(tmp_path: Path) -> None:
    stored = loading.read("zoo:dcgan-fashion_mnist-deconv")
    network = saved.build(stored)
    report = upsample.repair(network.generator)  # type: ignore[arg-type]
    assert report.changed
    checkpoint.write(tmp_path / "repaired.ckpt", network, stored.config, f"zoo, repaired: {report}")
    again = loading.load(tmp_path / "repaired.ckpt")
    z = torch.randn(2, again.latent or 0)
    with torch.no_grad():
        made, before = again(z), Trained(Saved(stored.config, stored.weights))(z)
        assert torch.equal(made, (network(z) + 1) / 2)
    assert not torch.equal(made, before)
    # The discriminator, which nobody uses once trained, is left out.
    assert not [key for key in loading.read(tmp_path / "repaired.ckpt").weights if "discriminator" in key]


def test_a_network_without_phases_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task = task_of("segmentation", monkeypatch)
    task.network.up = nn.Upsample(scale_factor=2)
    trainer = build_trainer({"accelerator": "cpu", "precision": "32-true"}, tmp_path, task)
    report, scores = cause.repaired(task, tiny_runs.noise(), trainer)
    assert not report.changed
    assert scores == {}
    assert "nothing to repair" in str(report)
