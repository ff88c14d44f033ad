"""A pattern planted in one layer is found in that layer; networks that print nothing are said to."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.instrument.noise import pink_noise
from upsample.instrument.outputs import GridInOutputs
from upsample.models.attribute import attribute
from upsample.models.period import period_of, scale_of
from upsample.models.tracing import trace
from upsample.pages.attribution import draw_attribution


class Decoder(nn.Module):
    """Three levels down by pooling and up again, with skips; the named levels print, the others are balanced."""

    def __init__(self, printing: tuple[int, ...]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(1, 8, 3, padding=1, padding_mode="reflect")
        self.levels = nn.ModuleList(upsample.build("deconv", 8, 8, 2, balanced=i not in printing) for i in range(3))
        self.mix = nn.ModuleList(nn.Conv2d(16, 8, 3, padding=1, padding_mode="reflect") for _ in range(3))
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for _ in range(3):
            features.append(F.avg_pool2d(features[-1], 2).tanh())
        y = features.pop()
        for level, mix in zip(self.levels, self.mix, strict=True):
            y = mix(torch.cat([level(y), features.pop()], 1)).tanh()
        return self.head(y)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return pink_noise(8, 144, 144) + 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_pattern_is_born_where_it_was_planted(level: int, images: Tensor) -> None:
    network = Decoder((level,)).eval()
    before = [p.clone() for p in network.parameters()]
    found = attribute(network, images)
    assert found.pattern.shown
    assert [part.name for part in found.sources] == [f"levels.{level}.conv"]
    part = next(part for part in found.layers if part.name == f"levels.{level}.conv")
    assert part.alone == pytest.approx(found.whole, rel=0.05)
    assert found.repaired < 0.35 * found.whole
    assert part.without == pytest.approx(found.repaired, rel=0.01)
    assert part.period == [8, 4, 2][level]
    assert f"It comes from levels.{level}.conv." in str(found)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_a_pattern_of_two_layers_and_its_picture(images: Tensor, tmp_path: Path) -> None:
    network = Decoder((0, 1)).eval()
    found = attribute(network, list(images.split(3)), period=8)
    assert {part.name for part in found.sources} == {"levels.0.conv", "levels.1.conv"}
    path = tmp_path / "new" / "born.png"
    draw_attribution(found, path, unit="logits")
    assert matplotlib.image.imread(path).shape[0] > 300
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_network_that_prints_nothing(images: Tensor) -> None:
    network = Decoder(()).eval()
    found = attribute(network, images)
    assert found.sources == ()
    assert "which is none shown" in str(found)


class Generator(nn.Module):
    """Latents to images by two enlarging layers, of which the last prints."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.up = nn.Sequential(
            upsample.build("deconv", 4, 8, 2, balanced=True), nn.Tanh(), nn.ConvTranspose2d(8, 3, 4, 2, 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.up(z)


def test_what_makes_images_of_latents_is_measured_by_its_outputs() -> None:
    latents = F.interpolate(torch.randn(16, 4, 6, 6, generator=torch.Generator().manual_seed(1)), scale_factor=4)

    def measure(network: nn.Module) -> Any:
        grid = GridInOutputs((2, 4))
        with torch.no_grad():
            grid.update(network(latents + 1))
        return grid.result()

    found = attribute(Generator().eval(), latents, measure=measure)
    assert [part.name for part in found.sources] == ["up.2"]


def test_what_could_not_be_measured_says_why(images: Tensor) -> None:
    with pytest.raises(ValueError, match="not measured: needs at least 2 images"):
        attribute(Decoder((1,)).eval(), images[..., :40, :40])


@pytest.mark.parametrize(
    ("network", "period", "scale"),
    [
        (Decoder(()), 8, 1),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2)), 2, 2),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Upsample(scale_factor=3), nn.ConvTranspose2d(8, 3, 2, 2)),
            6,
            6,
        ),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.Conv2d(8, 8, 1), nn.ReLU()), 1, 1),
        (nn.Sequential(nn.Conv3d(1, 4, 2, stride=2), nn.ConvTranspose3d(4, 1, 2, stride=2)), 2, 1),
    ],
)
def test_the_period_is_read_off_the_forward(network: nn.Module, period: int, scale: int) -> None:
    followed = trace(network, operators=True)
    assert (period_of(followed), scale_of(followed)) == (period, scale)


def test_levels_are_nested_in_the_table(images: Tensor) -> None:
    found = attribute(Decoder((0, 1, 2)).eval(), images[:6])
    assert [part.name for part in found.layers] == [f"levels.{i}.conv" for i in range(3)]
    lines = str(found).splitlines()
    assert all(len(a.split()) >= 5 for a, _ in pairwise(lines[:4]))
