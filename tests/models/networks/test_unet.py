from functools import partial

import pytest
import torch
from torch import Tensor, nn

import models
import upsample
from models.networks.encoders.plain import PlainEncoder
from models.networks.interfaces import Encoder
from models.networks.unet import UNet

CONFIG = {
    "model": {"name": "unet"},
    "encoder": {"family": "plain", "width": 4, "depth": 2},
    "upsample": {"name": "deconv"},
}


class StridedEncoder(Encoder):
    """Like a ResNet: the finest map is at half size, the strides skip a factor, nothing is pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.strides, self.indices_channels = [4, 6], [2, 8], [None]
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=4, padding=1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        a = self.first(x)
        return [a, self.second(a)], [None]


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (33, 47)])
def test_any_size_in_the_same_size_out(size: tuple[int, int]) -> None:
    network = models.build(CONFIG, 3, 5).eval()
    assert network(torch.randn(2, 3, *size)).shape == (2, 5, *size)


def test_period_is_the_product_of_the_scales() -> None:
    network = models.build(CONFIG, 3, 5)
    assert network.period == 4
    assert len(network.upsamplers()) == 2


def test_padding_changes_nothing_beyond_its_reach() -> None:
    """A wider picture gives the same logits away from the border: cropping and padding do not shift the grid."""
    torch.manual_seed(0)
    network = models.build(CONFIG, 3, 2).eval()
    x = torch.randn(1, 3, 90, 90)
    whole, part = network(x), network(x[..., :85, :83])
    assert torch.allclose(whole[..., :50, :50], part[..., :50, :50], atol=1e-5)


def test_an_encoder_that_starts_at_half_size_gets_one_more_level() -> None:
    network = UNet(StridedEncoder(), 2, partial(upsample.build, "bilinear"))
    assert network.period == 8
    assert network(torch.randn(1, 3, 20, 12)).shape == (1, 2, 20, 12)


def test_a_need_that_the_encoder_cannot_meet_fails_when_built() -> None:
    with pytest.raises(ValueError, match="unpool needs the encoder's pooling indices"):
        UNet(StridedEncoder(), 2, partial(upsample.build, "unpool"))


def test_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="each of the decoder's 2 levels"):
        UNet(PlainEncoder(3, 4, 2), 2, partial(upsample.build, "deconv"), channels=[8])


def test_pooling_indices_point_at_the_maxima() -> None:
    features, indices = PlainEncoder(3, 4, 1).eval()(torch.randn(1, 3, 8, 8))
    assert indices[0] is not None
    pooled = nn.functional.max_pool2d(features[0], 2)
    assert torch.equal(features[0].flatten(2).gather(2, indices[0].flatten(2)).view_as(pooled), pooled)
