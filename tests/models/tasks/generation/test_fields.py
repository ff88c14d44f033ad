"""Large fields against the sum of stamps written out, and their invariance to shifts by whole periods."""

from functools import partial

import pytest
import torch

import upsample
from models.networks.adversarial import labelled
from models.networks.dcgan import DCGAN
from models.networks.sngan import SNGAN
from models.tasks.generation.fields import fields


def network(name: str) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(1, partial(upsample.build, name), size=32, latent=6, width=4).eval()


@torch.no_grad()
def test_coarse_pixels_are_overlapping_stamps_summed_by_a_literal_loop() -> None:
    generator = network("deconv").generator
    latents = torch.randn(2, 6, 5, 5, generator=torch.Generator().manual_seed(1))
    coarse = torch.zeros(2, 16, 8, 8)
    for i in range(5):
        for j in range(5):
            coarse[:, :, i : i + 4, j : j + 4] += generator.project(latents[:, :, i, j]) / 4
    x = coarse[:, :, 3:5, 3:5]
    for norm, level in zip(generator.norms, generator.levels, strict=True):
        x = level(torch.relu(norm(x)))
    assert fields(generator, latents).shape == (2, 1, 16, 16)
    assert torch.allclose(fields(generator, latents), x.tanh(), atol=1e-6)


@torch.no_grad()
def test_coarse_pixels_vary_as_much_as_an_images() -> None:
    generator = network("deconv").generator
    random = torch.Generator().manual_seed(1)
    image = generator.project(torch.randn(4000, 6, generator=random)).var((0, 2, 3))
    generator.levels, generator.norms = torch.nn.ModuleList(), torch.nn.ModuleList()  # leaves the coarse pixels
    field = fields(generator, torch.randn(20, 6, 19, 19, generator=random)).atanh().var((0, 2, 3))
    assert torch.allclose(field, image, rtol=0.1)


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("kind", [DCGAN, SNGAN])
@pytest.mark.parametrize("name", ["deconv", "resize_conv", "pixel_shuffle"])
@torch.no_grad()
def test_shifting_the_latents_shifts_the_field_by_a_period(name: str, kind: type, classes: int | None) -> None:
    """So position is felt only within a period, and a repetition is the upsamplers' own."""
    torch.manual_seed(0)
    generator = kind(1, partial(upsample.build, name), latent=6, width=4, classes=classes).eval().generator
    latents = torch.randn(1, 6, 12, 12, generator=torch.Generator().manual_seed(1))
    if classes is not None:
        latents = labelled(latents, torch.tensor([1]), classes)
    whole, shifted = fields(generator, latents), fields(generator, latents[..., 1:, :])
    inner = slice(24, -24)  # away from the borders, which convolutions pad
    scale = whole.std()  # a generator just initialised is faint
    expected = shifted[..., inner, inner] / scale
    assert torch.allclose(whole[..., 8:, :][..., inner, inner] / scale, expected, atol=1e-3)
    assert not torch.allclose(whole[..., 1:-7, :][..., inner, inner] / scale, expected, atol=0.1)
