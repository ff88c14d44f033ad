from functools import partial

import pytest
import torch
from torch import Tensor, nn

import upsample
from models.networks.dcgan import DCGAN
from models.tasks.input_gradient import discriminator_checkerboards, input_gradient, total_stride
from upsample.instrument.checkerboard import nulls, phase_variance, spectral_peak_db
from upsample.instrument.noise import pink_noise


def discriminator(stride: int, kernel: int = 3) -> nn.Sequential:
    """Three convolutions; at stride 2 and kernel 3, pixels of one phase are seen four times as often as of another."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, kernel, stride=stride, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(32, 1, 4), nn.Flatten(0))


def photographs(size: int) -> Tensor:
    return (128 + 40 * pink_noise(12, size, size)).clamp(0, 255).byte()


def test_the_gradient_of_a_quadratic_is_known() -> None:
    weight, x = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = input_gradient(lambda image: (weight * image**2).flatten(1).sum(1), x.clone())
        assert torch.allclose(found, 2 * weight * x)


def test_the_gradient_of_a_strided_convolution_is_counted_by_hand() -> None:
    """All weights 1: a pixel's gradient is the number of windows that see it, 1 or 2 along each axis at 3 by 2."""
    layer = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    seen = torch.tensor([1.0, 2, 1, 2, 1, 2, 1, 1])  # pixel 7 would be seen again beyond the border
    assert torch.equal(input_gradient(layer, torch.zeros(1, 1, 8, 8))[0, 0], torch.outer(seen, seen))


def test_strides_multiply() -> None:
    assert total_stride(discriminator(2)) == 8
    assert total_stride(discriminator(1)) == 1
    for size in (32, 64, 128):
        assert total_stride(DCGAN(3, partial(upsample.build, "nearest"), size=size, width=2).discriminator) == size // 4


def test_strided_convolutions_print_at_every_period_that_fits() -> None:
    network = discriminator(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # weights of one sign: how often a pixel is seen is then all that counts
    found = discriminator_checkerboards(network, photographs(64))
    assert "checkerboard/phase_variance" not in found  # 64 pixels hold eight periods of 8
    for at in ("checkerboard/{}/p4", "checkerboard/{}/p2", "checkerboard_field/{}", "checkerboard_field/{}/p4"):
        for measure in ("phase_variance", "spectral_peak_db"):
            key = at.format(measure)
            assert found[key] > 1.2 * found[f"{key}/null"], key


def test_convolutions_without_a_stride_do_not_print() -> None:
    network, images = discriminator(1), photographs(96)
    assert discriminator_checkerboards(network, images) == {}
    gradient = input_gradient(network, images.float() / 127.5 - 1)
    strided = input_gradient(discriminator(2), images.float() / 127.5 - 1)
    for measure, floor in zip((phase_variance, spectral_peak_db), nulls((8,), 96, 96)[0], strict=True):
        assert measure(gradient, 8).mean() < floor < measure(strided, 8).mean() / 1.2  # by 8's own harmonics


def test_a_gradient_that_is_measured_is_of_each_image_alone() -> None:
    network, images = discriminator(2), photographs(40)
    alone = torch.cat([input_gradient(network, image[None]) for image in images.float() / 127.5 - 1])
    expected = phase_variance(alone, 4).mean(0).max().item()
    assert discriminator_checkerboards(network, images)["checkerboard/phase_variance/p4"] == pytest.approx(expected)
