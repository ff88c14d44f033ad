"""The proof that version 3 is DeepLabv3: torchvision's weights, renamed, give torchvision's outputs."""

from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models.segmentation import deeplabv3_resnet50

import upsample
from models.networks.deeplab import DeepLab
from models.networks.encoders.resnet import ResNet
from models.networks.torchvision_weights import deeplabv3_from_torchvision


def ours(classes: int) -> DeepLab:
    return DeepLab(ResNet(3, "resnet50", 8), classes, partial(upsample.build, "bilinear"), version=3, steps=[8])


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, DeepLab]:
    torch.manual_seed(0)
    theirs = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=7, aux_loss=False)
    for module in theirs.modules():  # norms that do nothing would hide that they are swapped
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    network = ours(7)
    network.load_state_dict(deeplabv3_from_torchvision(theirs.state_dict()))
    return theirs, network


def test_outputs_are_equal(pair: tuple[nn.Module, DeepLab]) -> None:
    theirs, network = pair[0].eval(), pair[1].eval()
    x = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        expected, found = theirs(x)["out"], network(x)
    assert expected.std() > 0.1  # not equal for being all zero
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_gradients_are_equal_in_training(pair: tuple[nn.Module, DeepLab]) -> None:
    theirs, network = pair[0].train(), pair[1].train()
    for module in (*theirs.modules(), *network.modules()):
        if isinstance(module, nn.Dropout):
            module.eval()  # two networks cannot draw the same units
    x = torch.randn(2, 3, 32, 32)
    gradients = []
    for output, parameters in ((theirs(x)["out"], theirs.parameters()), (network(x), network.parameters())):
        output.square().mean().backward()
        gradients.append(next(iter(parameters)).grad)
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-4 * gradients[0].abs().max().item())


def test_as_many_parameters_as_torchvision(pair: tuple[nn.Module, DeepLab]) -> None:
    theirs, network = (sum(p.numel() for p in module.parameters()) for module in pair)
    assert network == theirs


def test_the_auxiliary_classifier_is_left_out() -> None:
    weights = {"aux_classifier.0.weight": torch.zeros(1), "classifier.4.bias": torch.zeros(1)}
    assert list(deeplabv3_from_torchvision(weights)) == ["context.2.bias"]


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'fc.weight' is no tensor of torchvision's deeplabv3_resnet50"):
        deeplabv3_from_torchvision({"fc.weight": torch.zeros(1)})
