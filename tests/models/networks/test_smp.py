"""segmentation-models-pytorch's networks: what is as published, what is replaced, what is refused.

tests/stress has every architecture with several operators, exported too.
"""

from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

import models
from models.networks import smp as ours
from models.networks.smp import MeanOfParts
from models.tasks.build import build_task
from models.trained.export import TOLERANCE, export
from tests.tiny import CROPS, configuration


def build(architecture: str, name: str, **options: Any) -> Any:
    return models.smp(classes=3, upsample=name, architecture=architecture, **options).eval()


@pytest.mark.parametrize(
    ("architecture", "own"), [("Unet", "nearest"), ("MAnet", "nearest"), ("Segformer", "bilinear"), ("PSPNet", None)]
)
def test_as_published_and_the_same_with_the_operator_that_it_was(architecture: str, own: str | None) -> None:
    """Against smp's own, built by smp, with the same weights; its head enlarges by bilinear with aligned corners."""
    torch.manual_seed(0)
    theirs = getattr(smp, architecture)("resnet18", encoder_weights=None, classes=3).eval()
    published = build(architecture, "published")
    published.body.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(x)
        torch.testing.assert_close(published(x), expected)
        if own is not None:
            swapped = build(architecture, own)
            swapped.body.load_state_dict(theirs.state_dict())
            assert len(swapped.upsamplers()) == {"Unet": 5, "MAnet": 5, "Segformer": 4}[architecture]
            swapped.body.segmentation_head = theirs.segmentation_head
            torch.testing.assert_close(swapped(x), expected)
    assert published.upsamplers() == []


def test_a_pooling_that_exports_is_torchs() -> None:
    for size in (2, 6, (2, 5)):
        for shape in ((4, 3), (1, 1), (17, 8)):
            x = torch.randn(2, 3, *shape, dtype=torch.float64)
            torch.testing.assert_close(MeanOfParts(size)(x), nn.AdaptiveAvgPool2d(size)(x))


def test_what_is_spread_over_the_map_stays_and_what_is_never_called_does_not_learn() -> None:
    network = build("PSPNet", "deconv")
    assert len(network.upsamplers()) == 1
    *kept, idle = network.notes()
    assert [note.split(":")[1].strip() for note in kept] == [f"decoder.psp.blocks.{i}" for i in range(4)]
    assert idle == "10,493,440 parameters of smp's encoder are not used by this decoder"
    network.train()(torch.randn(2, 3, 16, 16)).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    assert {name.split(".")[2] for name, p in network.named_parameters() if not p.requires_grad} == {"layer3", "layer4"}


def test_any_bands_and_weights_from_a_file(tmp_path: Path) -> None:
    source = smp.encoders.get_encoder("resnet18", weights=None)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    network = build("Linknet", "resize_conv", pretrained=str(tmp_path / "resnet18.pth"))
    assert torch.equal(network.encoder.conv1.weight, source.conv1.weight)
    assert network.normalisation == ours.IMAGENET
    network = build("Linknet", "resize_conv", channels=5, pretrained=str(tmp_path / "resnet18.pth"))
    torch.testing.assert_close(network.encoder.conv1.weight, source.conv1.weight[:, [0, 1, 2, 0, 1]] * 3 / 5)
    assert network.normalisation is None
    assert network(torch.randn(1, 5, 33, 20)).shape == (1, 3, 33, 20)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"architecture": "Unett"}, r"architecture is 'Unett', which does not exist; did you mean Unet\?"),
        ({"encoder": "resnet19"}, "encoder=resnet19 is none of smp's, nor tu- and one of timm's; near it: resnet1"),
        ({"encoder": "tu-hf_hub:somebody/something"}, "is none of smp's, nor tu- and one of timm's"),
        ({"architecture": "DPT"}, "encoder=resnet18 has no tokens, which DPT needs: take a vision transformer"),
        ({"architecture": "DPT", "encoder": "tu-resnet18"}, "encoder=tu-resnet18 is none that DPT can use"),
        ({"architecture": "UnetPlusPlus", "encoder": "mit_b0"}, "encoder=mit_b0 is none that UnetPlusPlus can use"),
        (
            {"pretrained": "nowhere.pth"},
            "pretrained=nowhere.pth is no file; it may be true, false, or a file of weights",
        ),
        ({"pretrained": __file__}, r"pretrained=.*test_smp.py holds no weights of this encoder"),
        ({"upsample": "sapa"}, "sapa needs the encoder's skip"),
    ],
)
def test_refusals(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        models.smp(**({"classes": 3, "upsample": "deconv"} | options))


def test_published_is_for_networks_of_others() -> None:
    with pytest.raises(ValueError, match=r"upsample.name is 'published', which is for .* of their own: model=smp"):
        models.unet(classes=3, upsample="published")


def test_a_run_says_what_does_not_fit_before_data_are_touched() -> None:
    with pytest.raises(ValueError, match=r"data.crop=64 holds no whole period of the network, which is 128 pixels"):
        build_task(configuration("model=smp", "model.architecture=PAN", *CROPS))
    with pytest.raises(ValueError, match=r"model.encoder=resnet19 is none of smp's"):
        build_task(configuration("model=smp", "model.encoder=resnet19", *CROPS))


def test_in_onnx(trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "dilated_deconv"}, {"name": "smp", "architecture": "PSPNet"})
    assert export(net, tmp_path / "net.onnx", "onnx").error <= TOLERANCE
