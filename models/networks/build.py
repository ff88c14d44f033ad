"""Networks by name, from a configuration or in one line: nothing here executes what a configuration says."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from torch import nn

import upsample
from models.networks import network
from models.networks.encoders import encoder
from models.networks.interfaces import Encoder, Network
from plumbing.options import OptionError, Range, check_options, check_value, unknown

PUBLISHED = "published"  # in the place of an operator's name: what a network enlarges by itself
GIVEN = ("in_channels", "out_channels", "scale", "skip_channels", "indices_channels")  # to an upsampler by its decoder


def build(config: Mapping[str, Any], channels: int, classes: int | None = None) -> Network:
    """Build the network of a configuration with the sections `model`, `upsample` and, for segmentation, `encoder`.

    channels  of the images that go in and, from networks that make images, come out
    classes   that a segmentation tells apart, or that the images of a generator are of; None: they are of none
    Raises ValueError, in one sentence that names the section, for what cannot be built.
    """
    kind, options = network.choose(config["model"])
    check_options("model", kind, options, given=_given(kind))
    factory = _factory(kind, config["upsample"])
    if kind.own_encoder:
        return _said_of("model", kind, partial(kind, channels, classes, factory, **options))
    if not kind.takes_encoder:
        options = _of_classes(options, classes)
        return _said_of("model", kind, partial(kind, channels, factory, **options))
    if not isinstance(config.get("encoder"), Mapping):
        raise OptionError("the configuration has no section 'encoder'")
    family, encoder_options = encoder.choose(config["encoder"])
    freeze = encoder_options.pop("freeze", False)
    check_value("encoder.freeze", freeze, bool | Annotated[int, Range(0)])
    check_options("encoder", family, encoder_options, given=("in_channels",))
    body = _said_of("encoder", family, partial(family, channels, **encoder_options))
    if freeze:
        try:
            body.freeze(freeze)
        except ValueError as error:
            raise OptionError(f"encoder.{error}") from error
    return _said_of("model", kind, partial(kind, body, classes, factory, **options))


def upsampler_of(config: Mapping[str, Any]) -> Callable[..., nn.Module]:
    """The factory of upsamplers, as decoders take one, of a section `upsample`. Raises ValueError."""
    options = dict(config)
    name, operators = options.pop("name", None), upsample.available()
    if not isinstance(name, str) or name not in operators:
        raise ValueError(unknown("upsample.name", name, operators))
    check_options("upsample", operators[name].build, options, given=GIVEN)
    return partial(_said_of, "upsample", operators[name].build, partial(upsample.build, name, **options))


def _factory(kind: type[Network], section: Mapping[str, Any]) -> Callable[..., nn.Module] | None:
    """The factory of upsamplers for a network; None where it keeps its own. Raises OptionError where it has none."""
    if section.get("name") != PUBLISHED:
        return upsampler_of(section)
    check_options("upsample", lambda: None, {key: value for key, value in section.items() if key != "name"})
    if not kind.own_encoder:
        able = ", ".join(f"model={name}" for name, each in network.items() if each.own_encoder)
        raise OptionError(
            f"upsample.name is '{PUBLISHED}', which is for networks with an upsampling of their own: {able}"
        )
    return None


def _given(kind: type[Network]) -> tuple[str, ...]:
    """The parameters of a network that are no options: `channels` is one where a decoder has as many."""
    if kind.own_encoder:
        return ("channels", "classes", "upsample")
    return ("encoder", "classes", "upsample") if kind.takes_encoder else ("channels", "upsample")


def _of_classes(options: dict[str, Any], classes: int | None) -> dict[str, Any]:
    """A generator's options with as many classes as there are, where it asks for them. Raises OptionError where it asks
    for others."""
    asked = options.get("classes")
    if asked is None:
        return options
    if classes is None:
        raise OptionError(
            f"model.classes={asked} needs data whose images are of classes: data=cifar10, mnist or fashion_mnist with "
            "its files of labels, or data=folder with a folder of images for each class; or leave it out"
        )
    if asked not in ("auto", classes):
        raise OptionError(f"model.classes={asked}, but images of the data are of {classes} classes; write auto")
    return options | {"classes": classes}


def _said_of(section: str, kind: Callable[..., Any], build: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What `build` makes; what a `kind` of thing refuses in its own words is said of the section of its options."""
    try:
        return build(*arguments, **options)
    except OptionError:
        raise
    except ValueError as error:
        option = str(error).split("=")[0].split(" ")[0] in inspect.signature(kind).parameters
        raise OptionError(f"{section}{'.' if option else ': '}{error}") from error


def one_line(
    name: str,
    *,
    classes: int | None = None,
    channels: int = 3,
    upsample: str | Mapping[str, Any] | Callable[..., nn.Module] = "dilated_deconv",
    encoder: str | Mapping[str, Any] | Encoder | None = None,
    **options: Any,
) -> Network:
    """Return the network called `name`: `models.unet(classes=5, upsample="resize_conv")` is this with "unet".

    classes   that a segmentation tells apart, or that a generator is asked for; left out for other networks
    channels  of the images
    upsample  an operator's name, its section ({"name": "deconv", "kernel_size": 4}), or a factory of upsamplers; of
              `smp` also "published"
    encoder   of a segmentation: a family's name, its section ({"family": "resnet", "name": "resnet18"}), or an encoder;
              None: plain. Of `smp` its own, by smp's name
    options   of the network, as its class documents them
    Raises ValueError, in one sentence, for what cannot be built.
    """
    kind, _ = network.choose({"name": name})
    if kind.own_encoder and encoder is not None:
        options["encoder"] = encoder
    if classes is not None and not kind.takes_encoder and not kind.own_encoder:
        options["classes"] = classes
    check_options(name, kind, options, given=_given(kind))
    section = {"name": upsample} if isinstance(upsample, str) else upsample
    factory = _factory(kind, section) if isinstance(section, Mapping) else section
    if not kind.takes_encoder and not kind.own_encoder:
        return kind(channels, factory, **options)
    if type(classes) is not int or classes < 1:
        raise ValueError(f"{name} needs the number of classes that it tells apart: models.{name}(classes=5)")
    if kind.own_encoder:
        return kind(channels, classes, factory, **options)
    return kind(_encoder(encoder or "plain", channels), classes, factory, **options)


def _encoder(asked: str | Mapping[str, Any] | Encoder, channels: int) -> Encoder:
    if isinstance(asked, Encoder):
        return asked
    family, options = encoder.choose({"family": asked} if isinstance(asked, str) else asked)
    check_options("encoder", family, options, given=("in_channels",))
    return family(channels, **options)
