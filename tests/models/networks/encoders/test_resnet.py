import pytest
import torch
import torchvision
from torch import nn

from models.networks.encoders.resnet import ResNet

IMAGE = (1, 3, 64, 96)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_torchvisions_weights_load_by_name_and_give_its_features(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None).eval()
    ours = ResNet(name=name).eval()
    weights = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    ours.load_state_dict(weights)  # strict: nothing missing, nothing left over
    x = torch.randn(IMAGE)
    stages = nn.Sequential(*list(theirs.children())[:-2])
    features, indices = ours(x)
    assert torch.allclose(features[-1], stages(x), atol=1e-5)
    assert torch.allclose(features[0], stages[:3](x), atol=1e-5)
    assert indices == [None] * 4


@pytest.mark.parametrize("replaced", [[False, False, True], [False, True, True]])
def test_dilation_is_torchvisions_replace_stride_with_dilation(replaced: list[bool]) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=replaced).eval()
    ours = ResNet(name="resnet50", output_stride=32 // 2 ** sum(replaced)).eval()
    ours.load_state_dict({key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")})
    x = torch.randn(IMAGE)
    expected = nn.Sequential(*list(theirs.children())[:-2])(x)
    assert torch.allclose(ours(x)[0][-1], expected, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_filters_see_what_strided_ones_saw(name: str, output_stride: int) -> None:
    """Where the strided network looks, the dilated one answers the same: Chen et al. (2018), section 3.1."""
    torch.manual_seed(0)
    strided, dilated = ResNet(name=name).eval(), ResNet(name=name, output_stride=output_stride).eval()
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(IMAGE)
    apart = 32 // output_stride
    expected = strided(x)[0][-1]
    found = dilated(x)[0][-1][..., ::apart, ::apart]
    assert torch.allclose(found, expected, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_maps_are_as_promised_each_stride_once(name: str, output_stride: int) -> None:
    encoder = ResNet(name=name, output_stride=output_stride).eval()
    features, _ = encoder(torch.randn(IMAGE))
    assert encoder.strides == [stride for stride in (2, 4, 8, 16, 32) if stride <= output_stride]
    for feature, channels, stride in zip(features, encoder.channels, encoder.strides, strict=True):
        assert feature.shape == (1, channels, IMAGE[2] // stride, IMAGE[3] // stride)
    assert encoder.channels[-1] == (512 if name == "resnet18" else 2048)


def test_rates_are_cycled_over_the_blocks_of_the_last_two_stages() -> None:
    encoder = ResNet(name="resnet50", output_stride=8, rates=[[1, 2], [2, 4, 8]])
    rates: dict[int, list[int]] = {2: [], 3: [], 4: []}
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d) and name.endswith("conv2") and not name.startswith("layer1"):
            rates[int(name[5])].append(module.dilation[0])
    assert rates == {2: [1, 1, 1, 1], 3: [1, 2, 1, 2, 1, 2], 4: [2, 4, 8]}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "resnet19"}, "name is 'resnet19'.*choose from resnet18, resnet34, resnet50"),
        ({"output_stride": 4}, "output_stride must be 8, 16 or 32 for resnet18, not 4"),
        ({"rates": [[1, 2]]}, "rates needs two lists"),
        ({"rates": [[1], []]}, "rates needs two lists"),
        ({"rates": [[1], [0, 2]]}, "rates needs two lists"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ResNet(**options)
