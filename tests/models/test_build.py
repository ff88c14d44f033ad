"""Every network with every upsampler and every encoder; nothing here lists upsamplers by name."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

import models
import upsample
from models.networks import network as table
from models.networks.adversarial import Adversarial
from models.networks.encoders import encoder as families
from tests.tiny import composed, configuration

CONF = Path(models.__file__).parents[1] / "conf"
PLAIN = {"family": "plain", "width": 16, "depth": 3}
LITTLE = {"blocks": 1, "width": 16}


def of_yaml(section: str, name: str) -> dict[str, Any]:
    """What a file of conf/ says of one of a kind."""
    options: dict[str, Any] = yaml.safe_load((CONF / section / f"{name}.yaml").read_text())
    options.pop("defaults", None)
    return options


# A small configuration of each network, and whether it offers all that an upsampler may need.
NETWORKS: dict[str, tuple[dict[str, Any], bool]] = {
    "unet": ({"name": "unet"}, True),
    **{
        f"deeplab-{version}": (
            {"name": "deeplab", "version": version, "width": 16, "channels": 16, "steps": [2, 2, 2]}, True
        )
        for version in (1, 2, 3, "3plus")
    },
    "smp": ({"name": "smp", "architecture": "Linknet"}, False),
    "dcgan": ({"name": "dcgan", "width": 16}, False),
    "sngan": ({"name": "sngan", "width": 16}, False),
    **{
        f"{name}-x{scale}": ({"name": name, "scale": scale, **({} if name == "espcn" else LITTLE)}, False)
        for name in ("espcn", "srresnet", "edsr_baseline")
        for scale in (2, 3, 4)
    },
    "sesr": ({"name": "sesr", "scale": 3, "blocks": 1}, False),
}  # fmt: skip
listed = {model["name"] for model, _ in NETWORKS.values()}
NETWORKS |= {name: (of_yaml("model", name), table[name].takes_encoder) for name in table if name not in listed}
ENCODERS: list[dict[str, Any]] = [
    {"family": "plain", "width": 4, "depth": 2},
    {"family": "resnet", "name": "resnet18", "output_stride": 32},
    {"family": "resnet", "name": "resnet18", "output_stride": 8},
    {"family": "timm", "name": "mobilenetv3_small_050", "output_stride": 32},
    {"family": "timm", "name": "convnext_atto", "output_stride": 16},
    {"family": "efficientnet_lite0", "output_stride": 16},
]
listed = {encoder["family"] for encoder in ENCODERS}
ENCODERS += [of_yaml("encoder", name) for name in families if name not in listed]


@pytest.mark.parametrize("upsampler", upsample.available())
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_runs_with_every_upsampler_or_says_why_not(network: str, upsampler: str) -> None:
    torch.manual_seed(0)
    model, offers_all = NETWORKS[network]
    config = {"model": model, "encoder": PLAIN, "upsample": {"name": upsampler}}
    needs = upsample.available()[upsampler].needs
    if needs and not offers_all:
        with pytest.raises(ValueError, match="needs the encoder's"):
            models.build(config, 3, 5)
        return
    try:
        built = models.build(config, 3, 5)
    except ValueError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:  # 3 colours cannot be dealt out to 4 groups, say
        assert not offers_all
        assert "must be a multiple of" in refusal
        return
    if isinstance(built, Adversarial):
        y = built.discriminator(built(torch.randn(2, built.latent)))
        expected: tuple[int, ...] = (2,)
    elif table[model["name"]].takes_encoder:
        y, expected = built(torch.randn(2, 3, 15, 18)), (2, 5, 15, 18)
    elif model["name"] == "smp":
        y, expected = built(torch.randn(2, 3, 35, 18)), (2, 5, 35, 18)
    else:
        y, expected = built(torch.randn(2, 3, 5, 6)), (2, 3, 5 * built.period, 6 * built.period)
    assert y.shape == expected
    y.square().mean().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("model", [name for name, kind in table.items() if kind.takes_encoder])
@pytest.mark.parametrize(
    "encoder", ENCODERS, ids=lambda encoder: f"{encoder['family']}-{encoder.get('output_stride', 4)}"
)
def test_segmentation_networks_take_every_encoder_at_any_size(model: str, encoder: dict[str, Any]) -> None:
    small: dict[str, Any] = {"width": 8, "channels": 8} if model == "deeplab" else {}
    if model == "deeplab" and "output_stride" not in encoder:
        small["version"] = "3"  # 3+ wants a map deeper than stride 4
    config = {"model": {"name": model, **small}, "encoder": encoder, "upsample": {"name": "resize_conv"}}
    network = models.build(config, 3, 4).eval()
    own = {key: value for key, value in encoder.items() if key not in ("family", "freeze")}
    built = families[encoder["family"]](3, **own)
    assert network.period == encoder.get("output_stride", built.strides[-1])
    with torch.no_grad():
        for size in ((1, 1), (33, 47)):
            assert network(torch.randn(1, 3, *size)).shape == (1, 4, *size)


@pytest.mark.parametrize("name", families)
def test_encoder_yaml_holds_every_option(name: str) -> None:
    keys = set(yaml.safe_load((CONF / "encoder" / f"{name}.yaml").read_text()))
    own = {*inspect.signature(families[name]).parameters} - {"in_channels"}
    assert keys - {"defaults"} == {"family", "freeze", *own}


@pytest.mark.parametrize("name", table)
def test_model_yaml_holds_every_option(name: str) -> None:
    keys = set(yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text()))
    given = {"encoder", "classes"} if table[name].takes_encoder else {"channels"}
    given |= {"channels", "classes"} if table[name].own_encoder else set()
    options = set(inspect.signature(table[name]).parameters) - given - {"upsample"}
    assert keys - {"defaults"} == {"name", *options}


@pytest.mark.parametrize(
    ("command", "period", "trained"),
    [
        ("model=deeplab model.version=3plus upsample=dilated_deconv", 16, False),
        ("model=deeplab encoder=efficientnet_lite0 encoder.pretrained=true", 16, True),
        ("model=dcgan upsample=deconv", 8, False),
        ("model=sngan model.size=64 model.classes=auto upsample=resize_conv", 16, False),
        ("model=espcn upsample=pixel_shuffle", 2, False),
        ("model=srresnet model.scale=4", 4, False),
        ("model=edsr_baseline model.scale=3", 3, False),
        ("model=unet encoder=timm encoder.name=resnet34", 32, False),
        ("model=unet encoder=resnet", 16, False),
        ("model=smp model.architecture=FPN", 32, False),
        ("model=smp model.architecture=PSPNet upsample=published", 8, False),
    ],
)
def test_what_a_user_types_builds(command: str, period: int, trained: bool) -> None:
    whole = composed("config", *command.split())
    sections = [key for key in ("model", "encoder", "upsample") if key in whole]
    config: Any = OmegaConf.to_container(OmegaConf.masked_copy(whole, sections))
    network = models.build(config, 3, 3)
    assert network.period == period
    assert (network.normalisation is not None) == trained


@pytest.mark.parametrize(
    ("overrides", "rate", "epochs"),
    [
        ([], 3e-3, 4),
        (["encoder=resnet"], 3e-4, 1),
        (["encoder=timm"], 3e-4, 1),
        (["encoder=efficientnet_lite0"], 1e-3, 1),
        (["model=smp"], 3e-4, 1),
        (["model=deeplab"], 1e-3, 3),
        (["model=deeplab", "encoder=timm"], 1e-3, 3),
        (["model=deeplab", "encoder=plain"], 1e-3, 3),
        (["task=regression", "data=earth_elevation", "encoder=resnet"], 3e-4, 1),
    ],
)
def test_a_network_brings_its_rate_and_length_and_the_users_word_counts(
    overrides: list[str], rate: float, epochs: int
) -> None:
    found = configuration(*overrides)
    assert (found["task"]["lr"], found["trainer"]["min_epochs"]) == (rate, epochs)
    assert configuration(*overrides, "task.lr=2e-3")["task"]["lr"] == 2e-3


def test_unknown_names_are_refused_with_the_choices() -> None:
    config = {"model": {"name": "vnet"}, "encoder": PLAIN, "upsample": {"name": "deconv"}}
    with pytest.raises(ValueError, match=r"model.name is 'vnet', which does not exist.* choose from dcgan, deeplab"):
        models.build(config, 3, 2)
    config |= {"model": {"name": "unet"}, "encoder": {"family": "vgg"}}
    with pytest.raises(
        ValueError,
        match=r"encoder.family is 'vgg', which does not exist; choose from efficientnet_lite0, plain, resnet",
    ):
        models.build(config, 3, 2)
