from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

import upsample
from models.networks.dcgan import DCGAN


def dcgan(channels: int = 3, upsampler: str = "deconv", options: dict[str, Any] | None = None, **model: Any) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(channels, partial(upsample.build, upsampler, **(options or {})), **{"width": 8, **model})


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_the_size_and_a_logit_for_each(size: int, channels: int) -> None:
    network = dcgan(channels, size=size, width=4, latent=7)
    images = network(torch.randn(2, 7))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert network.discriminator(images).shape == (2,)
    assert network.period == size // 4 == 2 ** len(network.upsamplers())


def test_parameters_of_the_paper() -> None:
    """Figure 1 at 64 px: 100 latents, 1024 maps of 4x4, then 512, 256, 128 and the image; norms on all but it."""
    network = dcgan(size=64, width=128)
    maps = [1024, 512, 256, 128, 3]
    doublings = sum(16 * a * b + b for a, b in pairwise(maps))  # kernel 4, with a bias
    expected = 100 * 1024 * 16 + doublings + 2 * sum(maps[:-1])
    assert sum(p.numel() for p in network.generator.parameters()) == expected


def test_every_weight_starts_as_the_paper_says() -> None:
    network = dcgan(size=64, width=32)
    weights = [p.flatten() for p in network.parameters() if p.ndim > 1]
    assert len(weights) == 1 + 4 + 5  # projection, generator, discriminator
    for weight in weights:
        assert weight.mean().abs() < 5 * 0.02 / len(weight) ** 0.5
        assert weight.std().item() == pytest.approx(0.02, rel=5 / len(weight) ** 0.5)


def test_balanced_weights_start_so_too() -> None:
    network = dcgan(options={"balanced": True}, width=32)
    weight = next(p for name, p in network.generator.named_parameters() if "original" in name)
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_an_upsampler_of_another_kind_keeps_its_own_start() -> None:
    """ICNR: the four output phases of a channel begin alike."""
    network = dcgan(upsampler="pixel_shuffle")
    (weight,) = (p for name, p in network.generator.levels[0].named_parameters() if name == "conv.weight")
    phases = weight.unflatten(0, (-1, 4))
    assert torch.equal(phases, phases[:, :1].expand_as(phases))


def test_norms_and_slopes_are_where_the_paper_puts_them() -> None:
    network = dcgan(size=32)
    kinds = [type(module).__name__ for module in network.discriminator]
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert kinds == ["Conv2d", "LeakyReLU", *block, *block, "Conv2d", "Flatten"]
    assert {m.negative_slope for m in network.discriminator if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert len([m for m in network.generator.modules() if isinstance(m, nn.BatchNorm2d)]) == 3  # not after the last


def test_only_the_first_layer_goes_without_a_norm() -> None:
    """The first layer is told by its place, not by how many channels it takes."""
    network = dcgan(channels=8, width=8)
    assert len([m for m in network.discriminator if isinstance(m, nn.BatchNorm2d)]) == 2


def test_spectral_norm_is_built_without_memory_too() -> None:
    """As train.py does before it touches data."""
    with torch.device("meta"):
        assert all(weight.is_meta for weight in dcgan(spectral_norm=True).parameters())


@pytest.mark.parametrize("options", [{"batch_norm": False}, {"spectral_norm": True}])
def test_without_norms_samples_do_not_see_each_other(options: dict[str, Any]) -> None:
    discriminator = dcgan(**options).discriminator.eval()
    x = torch.randn(3, 3, 32, 32)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in discriminator.modules())
    assert torch.allclose(discriminator(x)[:1], discriminator(x[:1]), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"balanced": True}])
def test_spectral_norm_holds_on_every_layer_of_both(options: dict[str, bool]) -> None:
    network = dcgan(spectral_norm=True, options=options)
    for _ in range(50):  # each use in training refines the estimate of the largest singular value
        network.discriminator(network(torch.randn(2, 100)))
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    assert len(weighted) == 1 + 3 + 4
    for module in weighted:
        first = 1 if isinstance(module, nn.ConvTranspose2d) else 0  # output channels
        matrix = module.weight.movedim(first, 0).flatten(1)
        assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=0.02)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size must be one of 32, 64, 128, not 48"):
        dcgan(size=48)
    with pytest.raises(
        ValueError, match=r"spectral_norm=true cannot scale generator.levels.0.scope: .* starts it at zero"
    ):
        dcgan(upsampler="dysample", options={"dynamic_scope": True, "groups": 1}, spectral_norm=True)
    with pytest.raises(ValueError, match="sapa needs the encoder's skip"):
        dcgan(upsampler="sapa")
