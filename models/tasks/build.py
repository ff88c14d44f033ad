"""A configuration's data, network and task."""

import json
from dataclasses import asdict
from typing import Any

import torch

import data
from data.loading.datamodule import DataModule
from data.loading.loaded import ClassedImages, Images, LabelledImages, ValuedImages
from models.networks import network as network_table
from models.networks.build import build as build_network
from models.networks.interfaces import Encoder, Network
from models.tasks import task as table
from models.tasks.starting import begin_from
from models.trained.saved import Saved
from models.training.callbacks import order
from models.training.memory import refuse_too_large
from models.training.task import Task
from plumbing.options import check_options

# Of a task's configuration, what concerns only its data: conf/data/*.yaml refer to them.
OF_DATA = ("crop", "test_crop", "batch_size")


def build_task(config: dict[str, Any], start: Saved | None = None) -> tuple[Task, DataModule]:
    """Build a configuration's data, network, and the task that trains it. Raises ValueError in one sentence.

    start  whose weights the network begins with, where they fit
    """
    chosen, options = table.choose(config["task"])
    options = {k: v for k, v in options.items() if k not in OF_DATA}
    check_options("task", chosen, options, given=("network", "info"))
    order.check_switches(config.get("callbacks", {}))
    refuse_another_network(config, chosen)
    refuse_impossible(config)
    module = data.build(config["data"], chosen.kind, config["seed"])
    info = module.info
    network = build_network(config, info.channels, chosen.outputs(info, options))
    begun = frozen_notes(config, network, start is not None)
    if start is not None:
        bands = None if info.bands is None else plain(asdict(info.bands))
        begun = [*begin_from(network, start, bands, info.channels), *begun]
    built = chosen(network, info, **options)
    built.begun = begun
    built.config = describe(config, network, info)
    return built, module


def frozen_notes(config: dict[str, Any], network: Network, begun: bool) -> list[str]:
    """What encoder.freeze holds, and that nothing has trained it, if so."""
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, Encoder) or not encoder.held:
        return []
    held = sum(p.numel() for p in encoder.parameters() if not p.requires_grad)
    whole = sum(p.numel() for p in network.parameters())
    notes = [
        f"encoder.freeze={config['encoder']['freeze']}: {held:,} of {whole:,} parameters stay, with their BatchNorms"
    ]
    if not begun and not config["encoder"].get("pretrained"):
        notes.append("Warning: nothing has trained what encoder.freeze holds; add encoder.pretrained=true or init=")
    return notes


def refuse_another_network(config: dict[str, Any], chosen: type[Task]) -> None:
    """Raise ValueError for a network that does not make what the task learns."""
    network, _ = network_table.choose(config["model"])

    def encodes(kind: type[Network]) -> bool:
        return kind.takes_encoder or kind.own_encoder

    if encodes(network) is not chosen.encodes:
        able = ", ".join(name for name, other in network_table.items() if encodes(other) is chosen.encodes)
        raise ValueError(
            f"model={config['model']['name']} does not make what task={config['task']['name']} learns; leave the task "
            f"to the model, or choose from {able}"
        )


def refuse_impossible(config: dict[str, Any]) -> None:
    """Raise ValueError for a network that cannot be, before data are touched: how many classes there are is not known
    then, but refusals do not depend on it."""
    untrained = {
        section: config[section] | {"pretrained": False}
        for section in ("encoder", "model")
        if "pretrained" in config.get(section, {})
    }
    try:
        with torch.device("meta"):  # where tensors have shapes alone
            network = build_network(config | untrained, 3, 3)
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise ValueError(
            "the network has more weights than any memory holds; choose fewer or narrower levels"
        ) from error
    refuse_too_large(network)
    crop = config["data"].get("crop")
    if isinstance(crop, int) and crop < network.period:
        raise ValueError(
            f"data.crop={crop} holds no whole period of the network, which is {network.period} pixels; choose "
            f"task.crop={network.period} or more, or a network of fewer or smaller steps"
        )


def describe(config: dict[str, Any], network: Network, info: Images) -> dict[str, Any]:
    """What is needed to rebuild a run's network and its preprocessing, as `models.trained.saved.Saved` describes."""
    sections = ("task", "model", "upsample", "data", *(["encoder"] if network.takes_encoder else []))
    mean, std = network.normalisation or (info.mean, info.std)
    described = {key: config[key] for key in (*sections, "seed")} | {"mean": mean, "std": std, "span": info.span}
    if info.bands is not None:
        described["bands"] = asdict(info.bands)
    if isinstance(info, LabelledImages):
        described |= {"classes": info.classes, "palette": info.palette, "ignore_index": info.ignore_index}
        described |= {"labels": info.labels or list(range(len(info.classes))), "ignored": info.ignored}
    if isinstance(info, ClassedImages) and getattr(network, "classes", None) is not None:
        described["classes"] = info.classes
    if isinstance(info, ValuedImages):
        described["values"] = asdict(info.values)
    return plain(described)


def plain(section: dict[str, Any]) -> dict[str, Any]:
    """The section with tuples as lists, and nothing but plain values."""
    return json.loads(json.dumps(section))
