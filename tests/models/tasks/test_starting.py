"""What of a saved network another one begins with, whatever its classes, channels and upsampler."""

from functools import partial
from typing import Any

import pytest
import torch

import models
import upsample
from models.networks.interfaces import Network
from models.tasks.starting import begin_from
from models.trained.saved import Saved
from upsample.models.swapping.swap import answer_like

ENCODER = {"family": "plain", "width": 4, "depth": 2}


def network(classes: int = 3, channels: int = 3, up: str = "deconv", width: int = 4, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    built = models.unet(classes=classes, channels=channels, upsample=up, encoder=ENCODER | {"width": width})
    for module in built.modules():  # as if trained: statistics that are not those of the beginning
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return built.eval()


def saved(
    net: Network, classes: int = 3, up: str = "deconv", bands: list[int] | None = None, channels: int = 3
) -> Saved:
    names = [str(i) for i in range(classes)]
    config: dict[str, Any] = {
        "task": {"name": "segmentation"}, "model": {"name": "unet"}, "upsample": {"name": up}, "encoder": ENCODER,
        "data": {"name": "earth"}, "seed": 0, "mean": [0.4] * channels, "std": [0.2] * channels, "classes": names,
        "palette": [[0, 0, 0]] * classes, "ignore_index": 255,
    }  # fmt: skip
    if bands:
        config["bands"] = of(bands)
    return Saved(config, net.state_dict())


def of(order: list[int]) -> dict[str, Any]:
    return {"order": order, "floating": False, "nodata": "auto", "fill": [0.0] * len(order), "show": order[:1]}


def images(channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, 24, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_same_network_begins_as_the_saved_one_with_its_normalisation() -> None:
    old, new = network(), network(seed=2).eval()
    (said,) = begin_from(new, saved(old), None, 3)
    count = len(old.state_dict())
    assert f"{count} of {count} tensors as they are; with what was matched 100% of the numbers" in said
    assert torch.equal(new(images()), old(images()))
    assert new.normalisation is not None
    assert new.normalisation.mean == (0.4, 0.4, 0.4)


@torch.no_grad()
def test_other_classes_keep_all_but_the_head_which_is_named() -> None:
    old, new = network(), network(classes=5, seed=2)
    fresh = new.state_dict()["head.weight"].clone()
    notes = begin_from(new, saved(old), None, 3)
    assert any("head.weight" in note and "3x4x1x1 there, 5x4x1x1 here" in note for note in notes)
    assert torch.equal(new.state_dict()["head.weight"], fresh)
    for key, value in old.state_dict().items():
        if not key.startswith("head."):
            assert torch.equal(new.state_dict()[key], value), key


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 6])
def test_from_colours_to_other_channels_the_same_picture_gives_the_same_answer(channels: int) -> None:
    old, new = network(), network(channels=channels, seed=2)
    notes = begin_from(new, saved(old), of(list(range(1, channels + 1))), channels)
    assert any("first convolution: weights of red, green and blue in turn" in note for note in notes)
    x = images(1)
    colours, bands = (x.expand(-1, 3, -1, -1), x) if channels == 1 else (images(), images().repeat(1, 2, 1, 1))
    assert torch.allclose(new(bands), old(colours), atol=1e-4)
    assert new.normalisation is None  # of the data's own


@torch.no_grad()
def test_bands_that_both_take_keep_their_weights_wherever_they_stand() -> None:
    old, new = network(channels=3), network(channels=4, seed=2)
    notes = begin_from(new, saved(old, bands=[2, 3, 8]), of([8, 4, 3, 2]), 4)
    assert any("bands 8, 3, 2 keep their weights, others begin at 0" in note for note in notes)
    x = images(4)
    assert torch.allclose(new(x), old(x[:, [3, 2, 0]]), atol=1e-5)


@torch.no_grad()
def test_another_upsampler_answers_like_the_old_one_as_swap_would_have_it() -> None:
    old = network(up="resize_conv")
    new = network(up="dilated_deconv", seed=2)
    notes = begin_from(new, saved(old, up="resize_conv"), None, 3)
    assert sum("answers like the one of init to within" in note for note in notes) == 2
    before = network(up="dilated_deconv", seed=2)
    unmatched = {k: v for k, v in old.state_dict().items() if ".upsample." not in k}
    before.load_state_dict(before.state_dict() | unmatched)
    wanted = old(images())
    assert (new(images()) - wanted).norm() < 0.7 * (before(images()) - wanted).norm()


@torch.no_grad()
def test_upsamplers_that_can_be_equal_become_so() -> None:
    old, new = network(up="deconv"), network(up="pixel_shuffle", seed=2)
    same = upsample.build("deconv", in_channels=8, out_channels=4, scale=2)
    notes = begin_from(new, saved(old), None, 3)
    assert sum("answers like" in note for note in notes) == 2
    twin = upsample.build("deconv", in_channels=8, out_channels=4, scale=2)
    error, why = answer_like(twin, same)
    assert error is not None, why
    assert error < 1e-9
    assert torch.allclose(twin(images(8)), same(images(8)), atol=1e-5)


def test_what_depends_on_the_content_begins_as_built_and_says_so() -> None:
    old, new = network(up="carafe"), network(up="deconv", seed=2)
    fresh = new.upsamplers()[0].state_dict()
    kept = {key: value.clone() for key, value in fresh.items()}
    notes = begin_from(new, saved(old, up="carafe"), None, 3)
    assert any("begins as built: the old one's answer depends on the content" in note for note in notes)
    assert all(torch.equal(value, kept[key]) for key, value in new.upsamplers()[0].state_dict().items())


def test_a_network_of_which_nothing_fits_is_refused() -> None:
    other = models.espcn(upsample=partial(upsample.build, "deconv"))
    with pytest.raises(ValueError, match=r"nothing of it fits this network \(unet there, ESPCN here\)"):
        begin_from(other, saved(network()), None, 3)
