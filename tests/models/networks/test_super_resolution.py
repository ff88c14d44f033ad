from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import models
import upsample
from models.networks.super_resolution import EDSR, ESPCN, SRResNet

SHUFFLE = partial(upsample.build, "pixel_shuffle")


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["espcn", "srresnet", "edsr_baseline"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_times_the_scale(name: str, scale: int, channels: int) -> None:
    small = {} if name == "espcn" else {"blocks": 1, "width": 8}
    config = {"model": {"name": name, "scale": scale, **small}, "upsample": {"name": "resize_conv"}}
    network = models.build(config, channels)
    for height, width in ((1, 1), (7, 12)):
        assert network(torch.randn(2, channels, height, width)).shape == (2, channels, scale * height, scale * width)
    assert network.period == scale
    assert len(network.upsamplers()) == (2 if scale == 4 and name != "espcn" else 1)


@pytest.mark.parametrize(("scale", "published"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_edsr_baseline_has_the_authors_parameters(scale: int, published: int) -> None:
    """1.37 M, 1.55 M, 1.52 M; to the unit those of the authors' code, less its fixed colour shifts."""
    assert parameters(EDSR(3, SHUFFLE, scale)) == published


def test_srresnet_has_the_parameters_of_its_figure() -> None:
    """Figure 4, layer by layer; reported as 1.54 M by Ahn et al., "CARN" (2018), table 1."""
    conv, norm, prelu = 9 * 64 * 64, 2 * 64, 1
    first, last = 81 * 3 * 64 + 64 + prelu, 81 * 64 * 3 + 3
    blocks = 16 * (2 * conv + 2 * norm + prelu) + conv + norm
    twice = 2 * (9 * 64 * 256 + 256 + prelu)
    found = parameters(SRResNet(3, SHUFFLE, 4))
    assert found == first + blocks + twice + last
    assert found == pytest.approx(1.543e6, rel=0.005)


def test_espcn_has_the_papers_layers() -> None:
    """(5, 64), (3, 32), 3: on luma at scale 3, 22 729 parameters."""
    assert parameters(ESPCN(1, SHUFFLE, 3)) == (25 * 64 + 64) + (9 * 64 * 32 + 32) + (9 * 32 * 9 + 9)


def test_a_residual_body_adds_to_its_input() -> None:
    network: Any = EDSR(3, SHUFFLE, 2, blocks=2, width=4)
    for parameter in network.body.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 3, 5, 6)
    assert torch.allclose(network(x), network.tail(network.enlarge(network.head(x))))


@pytest.mark.parametrize("network", [ESPCN, SRResNet, EDSR])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_residual_network_adds_to_the_bicubic_enlargement(network: Any, scale: int) -> None:
    """Of one bright pixel that is Keys' kernel with a = -3/4, at the distances of the output's pixel centres."""

    def keys(d: float) -> float:
        d = abs(d)
        return 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else max(0, 2 - d) * -0.75 * (d - 1) * (2 - d)

    net = network(1, SHUFFLE, scale, residual=True)
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    along = torch.tensor([keys((i + 0.5) / scale - 0.5 - 4) for i in range(9 * scale)])
    assert torch.allclose(net(x)[0, 0], along.outer(along), atol=1e-6)


@pytest.mark.parametrize("network", [ESPCN, SRResNet, EDSR])
def test_what_cannot_be_is_refused(network: Any) -> None:
    with pytest.raises(ValueError, match=r"scale must be 2, 3 or 4, not 5"):
        network(3, SHUFFLE, 5)
    with pytest.raises(ValueError, match="unpool needs the encoder's pooling indices"):
        network(3, partial(upsample.build, "unpool"))
