"""SESR: its blocks written out, its counts as published, and that collapsing changes nothing but its size."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upsample
from models.networks.sesr import SESR, LinearBlock
from models.trained import checkpoint
from models.trained.saved import Trained
from models.zoo.from_run import as_used

SHUFFLE = partial(upsample.build, "pixel_shuffle")


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_a_block_is_its_two_convolutions_one_after_the_other(kernel_size: int, short: bool) -> None:
    torch.manual_seed(0)
    block, x = LinearBlock(4, 4, kernel_size, 32, short), torch.randn(2, 4, 7, 9)
    expected = block.project(F.conv2d(x, block.expand.weight, padding=kernel_size // 2)) + (x if short else 0)
    assert torch.allclose(block(x), expected, atol=1e-5)
    assert torch.allclose(block.collapsed()(x), expected, atol=1e-5)
    block(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())


def test_weights_as_published() -> None:
    """SESR-M5 on luma at scale 2: 13.52 K; table 1."""
    network = SESR(1, SHUFFLE, 2)
    network.collapse()
    layers = [*network.head.modules(), *network.body.modules()]
    convolutions = sum(m.weight.numel() for m in layers if isinstance(m, nn.Conv2d))
    last = 25 * 16 * 4  # here the chosen upsampler
    assert convolutions + last == 13_520
    wide = sum(m.weight.numel() for m in SESR(1, SHUFFLE, 2).modules() if isinstance(m, nn.Conv2d))
    assert wide > 15 * convolutions


@pytest.mark.parametrize("scale", [2, 3, 4])
@torch.no_grad()
def test_collapsing_changes_the_output_by_rounding_alone(scale: Any) -> None:
    torch.manual_seed(0)
    network, x = SESR(3, SHUFFLE, scale).eval(), torch.randn(2, 3, 11, 13)
    for parameter in network.parameters():
        parameter.mul_(1 + 0.5 * torch.rand(parameter.shape))
    before, wide = network(x), parameters(network)
    assert network.collapse() == {"expansion": None}
    assert (network(x) - before).abs().max() <= 1e-5 * before.abs().max().clamp_min(1)
    assert parameters(network) < wide / 10
    assert not any(isinstance(m, LinearBlock) for m in network.modules())
    assert network.collapse() == {}
    rebuilt = SESR(3, SHUFFLE, scale, expansion=None)
    rebuilt.load_state_dict(network.state_dict())
    assert torch.equal(rebuilt(x), network(x))


def test_it_begins_as_an_enlargement_of_its_input() -> None:
    network: Any = SESR(1, SHUFFLE, 2)
    for parameter in network.enlarge.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 1, 4, 5)
    assert torch.equal(network(x), x.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_what_is_used_of_a_run_is_collapsed(saved_run: Any) -> None:
    task, path = saved_run("super_resolution", "model=sesr", "model.blocks=1", "model.expansion=64")
    wide = 64 * (25 * 3 + 16) + 64 * (9 * 16 + 16)
    assert task.notes() == [f"Its blocks learn with {wide:,} weights and are used with 3,504, to the same end"]
    image = torch.randint(0, 256, (1, 3, 9, 8), dtype=torch.uint8)
    stored = checkpoint.read(Path(path))
    net, entry = Trained(stored), as_used(stored, half=False)
    assert not any(isinstance(m, LinearBlock) for m in net.modules())
    assert entry.config["model"]["expansion"] is None
    assert sum(value.numel() for value in entry.weights.values()) == parameters(net.network) < parameters(task.network)
    with torch.no_grad():
        expected = task(image)
        assert (net(image) - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert torch.equal(Trained(entry)(image), net(image))
