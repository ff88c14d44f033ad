"""SNGAN against its paper's tables, and its blocks written out."""

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upsample
from models.networks.sngan import SNGAN, Enlarging, Reducing
from models.tasks.input_gradient import total_stride

RESIZE = partial(upsample.build, "resize_conv")


def sngan(**options: Any) -> Any:
    torch.manual_seed(0)
    return SNGAN(3, RESIZE, **{"width": 8, **options})


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def conv(a: int, b: int, side: int = 3) -> int:
    return side**2 * a * b + b


def test_parameters_of_table_4() -> None:
    """CIFAR-10: 4x4x256, three blocks up of 256; two blocks down and two flat of 128."""
    network = sngan(width=256)
    block = 2 * 2 * 256 + 2 * conv(256, 256) + conv(256, 256, 1)
    dense = 128 * 16 * 256 + 16 * 256
    assert parameters(network.generator) == dense + 3 * block + 2 * 256 + conv(256, 3)
    first, flat = conv(3, 128) + conv(128, 128) + conv(3, 128, 1), 2 * conv(128, 128)
    assert parameters(network.discriminator) == first + (flat + conv(128, 128, 1)) + 2 * flat + 129


def test_parameters_of_table_5() -> None:
    """ImageNet at 128 pixels: 4x4x1024, blocks up of 1024, 512, 256, 128, 64, and the other way round down; here 64 in
    the place of 1024."""
    network = sngan(size=128, width=4)
    pairs = [(64, 64), (64, 32), (32, 16), (16, 8), (8, 4)]
    up = sum(2 * (a + b) + conv(a, b) + conv(b, b) + conv(a, b, 1) for a, b in pairs)
    assert parameters(network.generator) == 128 * 16 * 64 + 16 * 64 + up + 2 * 4 + conv(4, 3)
    down = sum(conv(a, b) + conv(b, b) + conv(a, b, 1) for a, b in [(3, 4), (4, 8), (8, 16), (16, 32), (32, 64)])
    assert parameters(network.discriminator) == down + 2 * conv(64, 64) + 65
    assert total_stride(network.discriminator) == 32


def test_a_block_of_the_generator_is_the_published_one() -> None:
    torch.manual_seed(0)
    block, x = Enlarging(6, 4, RESIZE, None), torch.randn(2, 6, 5, 7)
    published = dict(block.named_modules())
    first = next(m for m in block.enlarge.modules() if isinstance(m, nn.Conv2d))
    y = F.interpolate(published["norms.0"](x).relu(), scale_factor=2)
    y = F.conv2d(y, first.weight, first.bias, padding=1)
    y = published["conv"](published["norms.1"](y).relu())
    assert torch.allclose(block(x, None), y + block.mix(F.interpolate(x, scale_factor=2)), atol=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_a_block_of_the_discriminator_halves_both_ways_as_published(first: bool) -> None:
    torch.manual_seed(0)
    block, x = Reducing(3, 4, first=first), torch.randn(2, 3, 6, 8)
    one, two = (m for m in block.layers if isinstance(m, nn.Conv2d))
    y = F.avg_pool2d(two(one(x if first else x.relu()).relu()), 2)
    shortcut = block.mix(F.avg_pool2d(x, 2)) if first else F.avg_pool2d(block.mix(x), 2)  # as in the authors' code
    assert torch.allclose(block(x), y + shortcut, atol=1e-5)
    flat = Reducing(3, 3, halve=False)
    assert torch.allclose(flat(x), x + flat.layers(x))


def test_spectra_of_the_discriminator_are_normalised_and_of_it_alone() -> None:
    network = sngan(classes=3)
    images, label = torch.randn(2, 3, 32, 32), torch.eye(3)[:2]
    for _ in range(50):  # each use in training refines the estimate of the largest singular value
        network.discriminator(images, label)
    weighted = [m for m in network.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 2 * 3 + 2 * 2 + 1 + 1  # with the scoring layer and the embedding
    for module in weighted:
        assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not any("parametrizations" in name for name, _ in network.generator.named_parameters())


def test_weights_begin_as_in_the_authors_code_and_upsamplers_as_their_own_papers_say() -> None:
    network = sngan(width=32)
    block = network.generator.blocks[0]
    bound = {"conv": (6 * 2 / (2 * 9 * 32)) ** 0.5, "mix": (6 / (2 * 32)) ** 0.5}  # Glorot's, with gain sqrt(2), with 1
    for name, most in bound.items():
        assert 0.97 * most < getattr(block, name).weight.abs().max() <= most
        assert not getattr(block, name).bias.any()
    torch.manual_seed(0)
    untouched = [m.weight for m in RESIZE(32, 32, 2).modules() if isinstance(m, nn.Conv2d)]
    own = [m.weight for m in block.enlarge.modules() if isinstance(m, nn.Conv2d)]
    assert own[0].std().item() == pytest.approx(untouched[0].std().item(), rel=0.05)


def test_an_average_prints_into_the_gradient_as_a_stride_does() -> None:
    assert total_stride(sngan().discriminator) == 4


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size must be one of 32, 64, 128, not 48"):
        sngan(size=48)
