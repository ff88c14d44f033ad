"""Classes in generators and discriminators, against what the papers write, image by image."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import models
import upsample
from models.networks.adversarial import ConditionalNorm, Projection, labelled
from models.networks.dcgan import DCGAN
from models.networks.sngan import SNGAN

RESIZE = partial(upsample.build, "resize_conv")


def test_a_conditional_norm_is_a_norm_with_the_classs_own_scale_and_shift() -> None:
    torch.manual_seed(0)
    norm, x, classes = ConditionalNorm(4, 3), torch.randn(5, 4, 6, 7), torch.tensor([2, 0, 0, 1, 2])
    with torch.no_grad():
        norm.scale.normal_(), norm.shift.normal_()
    found = norm(x, torch.eye(3)[classes])
    mean, deviation = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0).add(1e-5).sqrt()
    for i, k in enumerate(classes):
        for c in range(4):
            expected = norm.scale[k, c] * (x[i, c] - mean[c]) / deviation[c] + norm.shift[k, c]
            assert torch.allclose(found[i, c], expected, atol=1e-5)


def test_a_conditional_norm_begins_as_the_plain_one() -> None:
    x = torch.randn(5, 4, 6, 7)
    assert torch.equal(ConditionalNorm(4, 3)(x, torch.eye(3)[[0, 1, 2, 0, 1]]), nn.BatchNorm2d(4)(x))


def test_a_projection_adds_the_inner_product_with_the_classs_embedding() -> None:
    torch.manual_seed(0)
    features, score = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 6)
    discriminator, x, classes = Projection(features, score, 4, 3), torch.randn(5, 1, 8, 8), [2, 0, 0, 1, 2]
    found = discriminator(x, torch.eye(3)[classes])
    for i, k in enumerate(classes):
        maps = features(x[i : i + 1])
        embedding = discriminator.embed.weight[:, k]
        expected = score(maps).sum() + sum(embedding[c] * maps[0, c].sum() for c in range(4))
        assert found[i].item() == pytest.approx(expected.item(), abs=1e-4)


def test_a_label_lies_behind_the_noise_of_an_image_and_of_every_place_of_a_grid() -> None:
    noise, grid = torch.randn(2, 3), torch.randn(2, 3, 4, 5)
    found = labelled(noise, torch.tensor([1, 0]), 2)
    assert found.tolist() == [[*noise[0].tolist(), 0, 1], [*noise[1].tolist(), 1, 0]]
    found = labelled(grid, torch.tensor([1, 0]), 2)
    assert torch.equal(found[:, :3], grid)
    assert (found[0, 3:] == torch.tensor([0.0, 1.0])[:, None, None]).all()
    assert found.shape == (2, 5, 4, 5)
    with pytest.raises(IndexError):
        labelled(noise, torch.tensor([0, 2]), 2)


@pytest.mark.parametrize("kind", [DCGAN, SNGAN])
def test_the_class_changes_the_image_and_the_score_once_they_are_told_apart(kind: Any) -> None:
    torch.manual_seed(0)
    network = kind(1, RESIZE, width=8, classes=3).eval()
    z = torch.randn(1, network.latent)
    one, other = (network(labelled(z, torch.tensor([k]), 3)) for k in (0, 1))
    assert torch.equal(one, other)  # classes begin alike
    with torch.no_grad():
        for norm in (m for m in network.modules() if isinstance(m, ConditionalNorm)):
            norm.shift.normal_()
    one, other = (network(labelled(z, torch.tensor([k]), 3)) for k in (0, 1))
    assert not torch.allclose(one, other)
    scores = [network.discriminator(one, torch.eye(3)[[k]]) for k in range(3)]
    assert len({score.item() for score in scores}) == 3


@pytest.mark.parametrize("kind", [DCGAN, SNGAN])
def test_without_classes_there_is_nothing_of_them(kind: Any) -> None:
    network = kind(1, RESIZE, width=8)
    assert not any(isinstance(m, ConditionalNorm | Projection) for m in network.modules())
    network(torch.randn(2, network.latent))


def test_a_configuration_takes_as_many_classes_as_the_data_have() -> None:
    config = {"model": {"name": "sngan", "width": 4, "classes": "auto"}, "upsample": {"name": "nearest"}}
    assert models.build(config, 3, 7).classes == 7
    assert models.build(config | {"model": {"name": "sngan", "width": 4}}, 3, 7).classes is None
    with pytest.raises(ValueError, match=r"model\.classes=auto needs data whose images are of classes: data=cifar10"):
        models.build(config, 3)
    config["model"] = {"name": "dcgan", "classes": 5}
    with pytest.raises(ValueError, match=r"model\.classes=5, but images of the data are of 7 classes; write auto"):
        models.build(config, 3, 7)


def test_one_line_builds_a_generator_of_classes() -> None:
    assert models.dcgan(classes=4, width=4).classes == 4
    with pytest.raises(ValueError, match=r"espcn\.classes does not exist"):
        models.espcn(classes=4)
    with pytest.raises(ValueError, match=r"classes=auto is as many as data have"):
        models.sngan(classes="auto", width=4)
