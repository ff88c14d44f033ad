import sys
from typing import Any

import pytest
import timm
import torch

from models.networks.encoders.resnet import ResNet
from models.networks.encoders.timm_backbone import TimmBackbone


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_maps_are_as_promised_each_stride_once(output_stride: int) -> None:
    encoder = TimmBackbone(3, "mobilenetv3_small_050", output_stride=output_stride)
    assert encoder.strides == [stride for stride in (2, 4, 8, 16, 32) if stride <= output_stride]
    assert encoder.training
    assert encoder.normalisation is None  # nothing was trained
    features, indices = encoder(torch.randn(2, 3, 64, 32))
    for feature, channels, stride in zip(features, encoder.channels, encoder.strides, strict=True):
        assert feature.shape == (2, channels, 64 // stride, 32 // stride)
    assert indices == encoder.indices_channels == [None] * (len(features) - 1)


def test_dilated_resnet34_is_the_one_written_here() -> None:
    torch.manual_seed(0)
    theirs, ours = TimmBackbone(3, "resnet34", output_stride=8).eval(), ResNet(3, "resnet34", output_stride=8).eval()
    ours.load_state_dict(theirs.body.state_dict())
    x = torch.randn(1, 3, 32, 48)
    for mine, its in zip(ours(x)[0], theirs(x)[0], strict=True):
        assert torch.allclose(mine, its, atol=1e-4 * its.abs().max().item())


def test_any_number_of_channels_in() -> None:
    features, _ = TimmBackbone(1, "mobilenetv3_small_050")(torch.randn(2, 1, 32, 32))
    assert features[-1].shape[2:] == (1, 1)


@pytest.mark.parametrize(
    ("name", "output_stride", "sentence"),
    [
        ("vgg11", 16, "timm's vgg11 cannot be an encoder with output_stride=16"),
        ("densenet121", 8, "timm's densenet121 cannot be an encoder with output_stride=8"),
        ("swin_tiny_patch4_window7_224", 32, "timm's swin_tiny_patch4_window7_224 does not take images of any size"),
        ("resnet34", 12, "timm's resnet34 cannot be an encoder with output_stride=12"),
        ("resnet43", 32, "name=resnet43 is no backbone of timm; near it: .*resnet"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, output_stride: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TimmBackbone(3, name, output_stride=output_stride)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # what makes `import timm` fail
    with pytest.raises(ValueError, match=r"the backbone resnet34 needs timm.*--extra timm"):
        TimmBackbone(3, "resnet34")


def test_without_the_hub_the_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: Any, **options: Any) -> None:
        raise FileNotFoundError("no connection")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(ValueError, match=r"timm's resnet34 could not be fetched \(no connection\); offline, eff"):
        TimmBackbone(3, "resnet34", pretrained=True)


def test_trained_weights_bring_their_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hub out of reach: the same call, less the weights."""
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **options: create(name, False, **options))
    encoder = TimmBackbone(3, "mobilenetv3_small_050", pretrained=True)
    assert encoder.normalisation == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
