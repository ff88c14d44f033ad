"""The flat field of whole models: exact where it is known, zero where nothing is printed, borders told apart."""

import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.__main__ import main
from upsample.models.flat_field import flat_field


def test_one_layer_prints_what_its_phases_say() -> None:
    """The deviation of the phase sums, by hand."""
    layer = nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[4.0, 0], [0, 0]]).view(1, 1, 2, 2))
    found = flat_field(nn.Sequential(layer), colours=torch.tensor([[0.0], [1.0], [-2.0]]))
    assert found.period == 2
    torch.testing.assert_close(found.printed[:, 0], 3**0.5 * torch.tensor([0.0, 1, 2]).double())
    torch.testing.assert_close(found.answers[:, 0], torch.tensor([0.0, 1, -2]).double())
    assert found.ripple.max() < 1e-9
    assert found.shown
    assert found.worst == (2, 0)
    assert "most in output channel 0 on the colour (-2), 3.5" in str(found)


class Net(nn.Module):
    """Down and up again by two levels, with padding by zeros, whose border reaches some way in."""

    def __init__(self, balanced: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.up = nn.ModuleList(upsample.build("deconv", 8, 8, 2, balanced=balanced) for _ in range(2))
        self.head = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.stem(x), 4).relu()
        for up in self.up:
            x = up(x).tanh()
        return self.head(x)


@pytest.mark.parametrize("balanced", [False, True])
def test_a_network_with_nonlinearities(balanced: bool) -> None:
    network = Net(balanced).train()
    found = flat_field(network)
    assert found.period == 4
    assert found.shown == (not balanced)
    assert found.size[0] >= 24 * 4
    assert network.training
    assert ("none shown" in str(found)) == balanced
    # Against a literal look at one colour: 1 in the first channel.
    row = found.colours.tolist().index([1, 0, 0])
    with torch.no_grad():
        y = network(found.colours[row].float().view(1, 3, 1, 1).expand(1, -1, 96, 96))[0, :, 32:64, 32:64].double()
    block = y[:, :4, :4]
    expected = (block - block.mean((1, 2), keepdim=True)).square().mean((1, 2)).sqrt()
    torch.testing.assert_close(found.printed[row], expected, rtol=1e-3, atol=1e-6)


def test_borders_are_no_pattern() -> None:
    """A filter as wide as the image: its border is everywhere, and does not repeat with the period."""
    wide = nn.Conv2d(1, 1, 61, padding=30, bias=False)
    nn.init.constant_(wide.weight, 1 / 61**2)
    found = flat_field(nn.Sequential(wide, nn.Upsample(scale_factor=2)), torch.zeros(1, 1, 48, 48))
    assert not found.shown
    assert found.ripple.max() > 1e-3
    assert "borders reach the middle" in str(found)


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.ConvTranspose1d(3, 2, 4, stride=4)), 2),
        (nn.Sequential(nn.Conv3d(1, 2, 1), nn.ConvTranspose3d(2, 1, 2, stride=2)), 1),
    ],
)
def test_one_and_three_axes(model: nn.Module, channels: int) -> None:
    found = flat_field(model)
    assert found.shown
    assert found.colours.shape[1] == channels
    upsample.repair(model)
    assert not flat_field(model).shown


def test_what_cannot_be_tested_says_why() -> None:
    with pytest.raises(ValueError, match="the model enlarges nothing"):
        flat_field(nn.Sequential(nn.Conv2d(3, 3, 3)))

    with pytest.raises(ValueError, match="the period is not known: the output is no whole number"):
        flat_field(nn.Sequential(nn.ConvTranspose2d(1, 1, 2, stride=2), nn.Conv2d(1, 1, 3)))

    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(ValueError, match=r"could not be followed \(its forward takes x and y"):
        flat_field(Two())


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "somewhere.nets", SimpleNamespace(Net=Net))
    main(["audit", "somewhere.nets:Net", "--args", '{"balanced": false}', "--run", "--input", "1,3,64,64"])
    printed = capsys.readouterr().out
    assert "pattern of period 4" in printed
    with pytest.raises(SystemExit):
        main(["audit", "somewhere.nets:Net", "--args", '{"balanced": false}', "--input", "1,3,wide"])
    assert "--input is a shape such as 1,3,224,224, not '1,3,wide'" in capsys.readouterr().err


def test_a_pattern_that_borders_would_hide_is_not_measured() -> None:
    """A ramp that the border makes, which phase means alone would take for a pattern."""

    class Ramp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grow = nn.Upsample(scale_factor=4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.grow(x)
            return y + 0.1 * torch.arange(y.shape[-1]) * y

    found = flat_field(Ramp(), torch.zeros(1, 1, 96, 96))
    assert not found.shown
    assert found.drowned
    assert "not measured: borders make" in str(found)


def test_an_output_that_is_nothing_is_said_to_be() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grow = nn.ConvTranspose2d(1, 1, 2, stride=2)

        def forward(self, x: Tensor) -> Tensor:
            return (self.grow(x).abs() * -1).relu()

    assert "none shown (the output is 0 everywhere, whatever the colour)" in str(flat_field(Silent()))
