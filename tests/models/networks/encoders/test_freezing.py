"""What encoder.freeze holds stays bit for bit, weights and statistics, and all else learns."""

from typing import Any

import pytest
import torch

from models.networks.build import build
from models.networks.interfaces import Network

FAMILIES: dict[str, dict[str, Any]] = {
    "plain": {"family": "plain", "width": 4, "depth": 3},
    "resnet": {"family": "resnet", "output_stride": 16},
    "timm": {"family": "timm", "name": "resnet18"},
    "efficientnet_lite0": {"family": "efficientnet_lite0"},
}


def trained(freeze: bool | int, encoder: dict[str, Any]) -> tuple[dict[str, torch.Tensor], Network]:
    """The state before three steps of training, and the network after them."""
    torch.manual_seed(0)
    config = {"model": {"name": "unet"}, "upsample": {"name": "deconv"}, "encoder": encoder | {"freeze": freeze}}
    network = build(config, 3, 2).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        network.eval()
        network.train()  # as around a validation
        optimiser.zero_grad()
        network(torch.randn(2, 3, 64, 64)).square().mean().backward()
        optimiser.step()
    return before, network


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frozen_encoder_is_bit_equal_after_training_and_the_decoder_is_not(name: str) -> None:
    before, network = trained(True, FAMILIES[name])
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert not any(key.startswith("encoder.") for key in changed)
    rest = {key for key in before if not key.startswith("encoder.") and not key.endswith("bias")}
    assert rest <= changed


@pytest.mark.parametrize(("name", "stages", "held"), [
    ("plain", 2, ("levels.0.", "levels.1.")),
    ("resnet", 1, ("conv1.", "bn1.")),
    ("resnet", 2, ("conv1.", "bn1.", "layer1.")),
    ("timm", 2, ("body.conv1.", "body.bn1.", "body.layer1.")),
])  # fmt: skip
def test_stages_are_held_from_the_finest_up_to_the_map_that_they_lead_to(
    name: str, stages: int, held: tuple[str, ...]
) -> None:
    before, network = trained(stages, FAMILIES[name])
    for key, value in network.state_dict().items():
        own = key.removeprefix("encoder.")
        if own != key and value.is_floating_point() and not key.endswith("bias"):
            assert torch.equal(value, before[key]) == own.startswith(held), key


def test_more_stages_than_there_are_are_refused_and_words_too() -> None:
    with pytest.raises(ValueError, match=r"encoder.freeze=5 is more than its 4 stages, at strides \[1, 2, 4, 8\]"):
        trained(5, FAMILIES["plain"])
    for value in (0.5, "all"):
        with pytest.raises(ValueError, match=r"encoder\.freeze must be true or false or a whole number"):
            trained(value, FAMILIES["plain"])  # type: ignore[arg-type]
    for value in (0, False):
        before, network = trained(value, FAMILIES["plain"])
        assert not torch.equal(before["encoder.levels.0.0.weight"], network.state_dict()["encoder.levels.0.0.weight"])
