from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upsample
from models.networks.deeplab import ASPP, DeepLab, LargeFOV
from models.networks.encoders.plain import PlainEncoder
from models.networks.encoders.resnet import ResNet

VERSIONS = [1, 2, 3, "3plus"]


def deeplab(version: Any = "3plus", depth: int = 3, upsampler: str = "deconv", **options: Any) -> DeepLab:
    """A small network whose encoder has output stride 2**depth."""
    torch.manual_seed(0)
    encoder = PlainEncoder(3, 4, depth)
    return DeepLab(encoder, 5, partial(upsample.build, upsampler), version, width=8, **options)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [(1, 1), (33, 47)])
def test_any_size_in_the_same_size_out(version: Any, size: tuple[int, int]) -> None:
    assert deeplab(version).eval()(torch.randn(2, 3, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize(
    ("version", "depth", "steps"),
    [(3, 3, [4, 2]), (3, 4, [4, 4]), (1, 5, [4, 4, 2]), ("3plus", 4, [4, 4]), ("3plus", 3, [2, 4])],
)
def test_default_steps_are_few_and_pass_the_low_level_map(version: Any, depth: int, steps: list[int]) -> None:
    network = deeplab(version, depth)
    scales = []
    for step in network.upsamplers():
        convolution = next(m for m in step.modules() if isinstance(m, nn.ConvTranspose2d))
        x = torch.zeros(1, convolution.in_channels, 3, 3)
        scales.append(step(x).shape[-1] // 3)
    assert scales == steps
    assert network.period == 2**depth


@pytest.mark.parametrize("version", VERSIONS)
def test_rates_are_the_papers_at_output_stride_8_and_scale_with_it(version: Any) -> None:
    published = {1: [12], 2: [6, 12, 18, 24], 3: [12, 24, 36], "3plus": [12, 24, 36]}[version]
    for depth, factor in ((3, 1), (4, 2)):
        head = deeplab(version, depth).context
        found = [m.dilation[0] for m in head.modules() if isinstance(m, nn.Conv2d) and m.dilation[0] > 1]
        assert found == [rate // factor for rate in published]


def test_summed_branches_are_the_sum_of_large_fields_of_view() -> None:
    torch.manual_seed(0)
    both = LargeFOV(4, 8, 3, [2, 5]).eval()
    x = torch.randn(1, 4, 11, 9)
    total = torch.zeros(1, 3, 11, 9)
    for rate, branch in zip((2, 5), both, strict=True):
        alone = LargeFOV(4, 8, 3, [rate]).eval()
        alone[0].load_state_dict(branch.state_dict())
        total += alone(x)
    assert torch.allclose(both(x), total, atol=1e-6)


def test_image_pooling_lets_every_pixel_see_the_whole_image() -> None:
    torch.manual_seed(0)
    head = ASPP(2, 4, [1]).eval()
    x = torch.randn(1, 2, 30, 30, requires_grad=True)
    head(x)[0, :, 0, 0].sum().backward()
    assert x.grad is not None
    assert x.grad[0, :, -1, -1].abs().min() > 0


def test_3plus_is_its_paper_with_one_bilinear_resize_to_stride_4_and_one_to_full_size() -> None:
    """Chen et al. (2018), figure 2, put together from the network's own layers."""
    network = deeplab("3plus", depth=4, upsampler="bilinear").eval()
    x = torch.randn(1, 3, 32, 48)
    features, _ = network.encoder(x)
    assert isinstance(network.low_level, nn.Module)
    context = F.interpolate(network.context(features[4]), (8, 12), mode="bilinear")
    scores = network.refine(torch.cat([context, network.low_level(features[2])], 1))
    assert torch.allclose(network(x), F.interpolate(scores, (32, 48), mode="bilinear"), atol=1e-6)


def test_with_channels_the_upsamplers_enlarge_those_and_the_classes_come_last() -> None:
    network = deeplab(3, channels=12)
    assert [m.in_channels for m in network.steps.modules() if isinstance(m, nn.ConvTranspose2d)] == [12, 12]
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 5, 16, 16)


@pytest.mark.parametrize("upsampler", ["sapa", "unpool"])
def test_encoders_maps_and_indices_are_offered_where_they_lie(upsampler: str) -> None:
    network = deeplab("3plus", upsampler=upsampler, steps=[2, 2, 2])
    network(torch.randn(2, 3, 24, 16)).sum().backward()
    with pytest.raises(ValueError, match=f"{upsampler} needs the encoder's"):
        DeepLab(ResNet(), 5, partial(upsample.build, upsampler))  # ends above full size, and pools with overlap


def test_notes_tell_how_much_of_its_field_the_head_sees() -> None:
    encoder = ResNet(3, "resnet50", 8)  # 3x3 rates 1 2 2 2 2 2, then 2 4 4
    (line,) = DeepLab(encoder, 2, partial(upsample.build, "bilinear"), version=1).notes()
    side, grid = 1 + 2 * (5 * 2 + 2 + 4 + 4 + 12), 1 + (5 * 2 + 2 + 4 + 4 + 12)  # of even rates only every other
    assert (
        f"the encoder's rates 2 2 2 2 2 2 4 4, the head's sees {(grid / side) ** 2:.0%} of {side}x{side} at 12" in line
    )
    (line,) = deeplab(2, depth=4).notes()  # nothing dilated before: three taps a side
    assert f"no rates before, the head's sees {9 / 49:.0%} of 7x7 at 3" in line


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"version": 4}, "version must be one of 1, 2, 3, 3plus, not 4"),
        ({"version": 3, "steps": [2, 2]}, r"\[2, 2\] do not lead from the encoder's output stride 8 to 1, as \[4, 2\]"),
        ({"rates": []}, r"rates needs one or more rates of at least 1, not \[\]"),
        ({"steps": [0, 4]}, r"\[0, 4\] do not lead"),
        ({"steps": [8]}, r"steps=\[8\] do not lead .* 8 to 1 by way of 4, as \[2, 4\] would"),
        ({"depth": 1}, r"3plus needs an encoder with maps at stride 4 and deeper, not at \[1, 2\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        deeplab(**options)
