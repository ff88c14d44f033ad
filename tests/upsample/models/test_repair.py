"""Repaired models: nothing printed on constants, the rest as it was; what cannot be repaired says so."""

import copy
from itertools import product
from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upsample
from upsample.algebra.imbalance import phase_imbalance
from upsample.models.repair import repair

LAYERS = [
    nn.ConvTranspose1d(3, 4, 5, stride=2, padding=1),
    nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=2),
    nn.ConvTranspose2d(3, 4, (3, 6), stride=(2, 3)),
    nn.ConvTranspose3d(3, 2, 2, stride=2),
    nn.ConvTranspose3d(3, 2, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1)),
]


@pytest.mark.parametrize("layer", LAYERS)
def test_transposed_convolutions_of_any_axes_get_the_nearest_even_weights(layer: nn.Module) -> None:
    model = nn.Sequential(nn.ReLU(), copy.deepcopy(layer))
    report = repair(model)
    (found,) = report.layers
    assert found.before == pytest.approx(phase_imbalance(layer).largest)
    assert found.after < 1e-6
    assert report.changed
    assert ("as nearest-neighbour does" in str(report)) == (layer.kernel_size == layer.stride)
    # Nearest: what was taken off is one number for all taps of a phase, as the gradient of the constraint is.
    taken = (layer.weight - model[1].weight).detach()
    by_phase: dict[tuple[int, ...], list[Tensor]] = {}
    for tap in product(*map(range, layer.kernel_size)):
        phase = tuple(d * t % s for d, t, s in zip(layer.dilation, tap, layer.stride, strict=True))
        by_phase.setdefault(phase, []).append(taken[(..., *tap)])
    assert len(by_phase) == prod(layer.stride)
    for taps in by_phase.values():
        torch.testing.assert_close(torch.stack(taps), taps[0].expand(len(taps), -1, -1), rtol=1e-4, atol=1e-6)
    assert torch.equal(model[1].bias, layer.bias)


class Volume(nn.Module):
    """Depth to space over three axes, as MONAI writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3 * 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        n, _, d, h, w = y.shape
        return y.reshape(n, 3, 2, 2, 2, d, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, 3, 2 * d, 2 * h, 2 * w)


class Signal(nn.Module):
    """One axis, features in the order (place, channel)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 12, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y.view(len(x), 4, 3, -1).permute(0, 2, 3, 1).reshape(len(x), 3, -1)


def flatness(model: nn.Module, channels: int, axes: int) -> float:
    """Largest departure from a constant, away from the border, of what constants turn into."""
    x = torch.eye(channels).view(channels, channels, *[1] * axes).expand(-1, -1, *[12] * axes)
    with torch.no_grad():
        y = model(x)
    scale = y.shape[2] // 12
    inner = y[..., *[slice(5 * scale, 7 * scale)] * axes].flatten(2)
    return (inner - inner.mean(2, keepdim=True)).abs().max().item()


@pytest.mark.parametrize(
    ("model", "channels", "axes"),
    [
        (nn.Sequential(nn.Conv2d(3, 18, 3, padding=1), nn.PixelShuffle(3)), 3, 2),
        (nn.Sequential(upsample.build("pixel_shuffle", 3, 4, 2, icnr=False)), 3, 2),
        (Volume(), 2, 3),
        (Signal(), 2, 1),
    ],
)
def test_what_is_dealt_out_to_pixels_over_one_two_and_three_axes(model: nn.Module, channels: int, axes: int) -> None:
    assert flatness(model, channels, axes) > 0.05
    report = repair(model)
    assert [layer.kept for layer in report.layers] == [""]
    assert flatness(model, channels, axes) < 1e-6


class Net(nn.Module):
    """What is trained to enlarge, with a nonlinearity after the layer, so that phases matter."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.up, self.tail = up, nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.up(self.body(x)))


@pytest.fixture(scope="module")
def trained() -> tuple[Net, Tensor, Tensor]:
    """A network that has learnt to enlarge, its images and what they should become."""
    torch.manual_seed(0)
    small = F.avg_pool2d(torch.randn(24, 1, 28, 28), 5, stride=1)
    small = small / small.std()
    large = F.interpolate(small, scale_factor=2, mode="bicubic")
    net = Net(nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        F.mse_loss(net(small), large).backward()
        optimizer.step()
    return net.eval(), small, large


def test_images_keep_the_output_where_it_was(trained: tuple[Net, Tensor, Tensor]) -> None:
    net, small, _ = trained
    outputs = {}
    for name, images in (("weights", None), ("images", small[:16].split(8))):
        model = copy.deepcopy(net)
        report = repair(model, images)
        assert phase_imbalance(model.up) < 1e-6
        outputs[name] = (model(small[16:]) - net(small[16:])).square().mean().item()
    assert report.fitted is not None
    assert report.fitted < 0.6 * report.projected
    assert outputs["images"] < 0.5 * outputs["weights"]  # images that it was not fitted to


def test_the_model_is_otherwise_left_alone(trained: tuple[Net, Tensor, Tensor]) -> None:
    net = copy.deepcopy(trained[0]).train()
    net.tail.eval()
    net.body.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    repair(net, trained[1][:4])
    assert [net.up.training, net.tail.training, net.tail[0].training] == [True, False, False]
    assert [p.requires_grad for p in net.parameters()] == [False] * 2 + [True] * (len([*net.parameters()]) - 2)
    assert net.state_dict().keys() == before.keys()
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"up.weight", "up.bias"}
    assert type(net.up) is nn.ConvTranspose2d


def test_one_tap_per_phase() -> None:
    """A 1x1 convolution before a shuffle: only the biases can be told apart from what the image says."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.PixelShuffle(2))
    weight = model[0].weight.clone()
    (kept,) = repair(model).layers
    assert kept.kept.startswith("each of its phases has one tap")
    images = 2 + torch.randn(8, 3, 16, 16)
    (found,) = repair(model, images).layers
    assert found.what.endswith("bias only")
    assert torch.equal(model[0].weight, weight)
    y = model(images).detach()
    means = torch.stack([y[..., r::2, c::2].mean((0, 2, 3)) for r in (0, 1) for c in (0, 1)])
    torch.testing.assert_close(means, means.mean(0).expand(4, -1), rtol=1e-4, atol=1e-5)


def tied() -> nn.Module:
    up, down = nn.ConvTranspose2d(3, 3, 2, 2), nn.Conv2d(3, 3, 2, 2)
    down.weight = up.weight
    return nn.Sequential(down, up)


def hooked() -> nn.Module:
    layer = nn.ConvTranspose2d(3, 3, 2, 2)
    layer.register_forward_hook(lambda module, given, y: 2 * y)
    return nn.Sequential(layer)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (tied, "it shares its weights with another layer"),
        (hooked, "it has a forward or hooks of its own"),
        (lambda: nn.Sequential(nn.ConvTranspose2d(1, 1, 3, 2, dilation=2)), "it has holes, which no weights fill"),
        (lambda: nn.Sequential(nn.ConvTranspose2d(1, 1, 2, 2, device="meta")), "its weights are on the meta device"),
        (
            lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.PixelShuffle(2)),
            "what it deals out is not one layer",
        ),
        (
            lambda: nn.Sequential(parametrizations.spectral_norm(nn.ConvTranspose2d(2, 2, 2, 2))),
            "its weight is parametrised in a way that does not take given values",
        ),
    ],
)
def test_what_is_kept_says_why_and_is_not_changed(make: Any, reason: str) -> None:
    model = make()
    before = copy.deepcopy(model.state_dict())
    report = repair(model)
    assert [layer.kept.startswith(reason) for layer in report.layers if layer.kept] == [True]
    assert not report.changed
    assert reason in str(report)
    for key, value in model.state_dict().items():
        assert value.is_meta or torch.equal(value, before[key])


def test_parametrised_weights_that_take_values_are_repaired() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.ConvTranspose2d(2, 2, 4, 2, 1)))
    repair(model)
    assert phase_imbalance(model[0]) < 1e-5


def test_nothing_to_repair() -> None:
    model = nn.Sequential(upsample.build("fir", 2, 2, 2), upsample.build("deconv", 2, 2, 2, balanced=True))
    before = copy.deepcopy(model.state_dict())
    report = repair(model, torch.randn(2, 2, 8, 8))
    assert not report.changed
    assert "nothing to repair" in str(report)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
