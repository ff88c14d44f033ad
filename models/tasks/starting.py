"""A training that begins with the weights of another: what fits is taken; what does not is named, with the reason."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import upsample
from models.networks.blocks import widened
from models.networks.interfaces import Network, Normalisation
from models.trained import saved
from models.trained.saved import Saved
from upsample.models.swapping.swap import answer_like

NAMED = 4  # tensors at most that a reason names


def begin_from(network: Network, start: Saved, bands: Mapping[str, Any] | None, channels: int) -> list[str]:
    """Load into a network what fits of a saved one, and return what was taken and what was not, in sentences.

    Taken are tensors of the same name and size; for images of other channels the first convolution, `widened` from
    three colours or band by band; and, for another upsampler between the same channels, weights that answer as nearly
    as they can like the old one's. Where both take the same channels, the saved network's normalisation comes too.

    bands     the section `bands` of the network's own data, None for pictures; channels: of their images
    Raises ValueError where nothing fits.
    """
    old = saved.build(start)
    mine, theirs = (each.get_submodule(each.used) for each in (network, old))
    wanted, stored = mine.state_dict(), theirs.state_dict()
    matched, notes, aside = upsamplers(network, old, mine, theirs)
    left: dict[str, list[str]] = {}
    taken: dict[str, Tensor] = {}
    first = next((key for key, value in stored.items() if value.ndim == 4), None)
    count = len(start.config["mean"])
    for key, value in wanted.items():
        if any(key.startswith(prefix) for prefix in aside):
            continue
        other = stored.get(key)
        if other is None:
            left.setdefault("it has nothing of this name", []).append(key)
        elif other.shape == value.shape and not (key == first and other_bands(start, bands, count == channels)):
            taken[key] = other
        elif key == first and other.shape[0] == value.shape[0] and other.shape[2:] == value.shape[2:]:
            weight, told = for_other_bands(other, start.config.get("bands"), bands, channels)
            if weight is None:
                left.setdefault(told, []).append(key)
            else:
                taken[key] = weight
                notes.append(f"The first convolution: {told}")
        else:
            sizes = f"{'x'.join(map(str, other.shape))} there, {'x'.join(map(str, value.shape))} here"
            left.setdefault(sizes, []).append(key)
    if not any(value.ndim > 1 for value in taken.values()):
        there, here = start.config["model"]["name"], type(network).__name__
        raise ValueError(
            f"init: nothing of it fits this network ({there} there, {here} here); begin with one of the same model, "
            "encoder and widths"
        )
    mine.load_state_dict(mine.state_dict() | taken)
    numbers = sum(value.numel() for value in taken.values()) + matched
    share = numbers / max(1, sum(value.numel() for value in wanted.values()))
    parts = f"{len(taken)} of {len(wanted)} tensors as they are"
    said = [f"Begun with the weights of init: {parts}; with what was matched {share:.0%} of the numbers"]
    if count == channels and (network.takes_encoder or network.own_encoder) and not other_bands(start, bands, True):
        network.normalisation = Normalisation(tuple(start.config["mean"]), tuple(start.config["std"]))
    return said + notes + [f"Not taken of init: {shortened(keys)}: {why}" for why, keys in left.items()]


def shortened(keys: list[str]) -> str:
    """Names in words, the first of many."""
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(keys[:NAMED]) + more


def upsamplers(network: Network, old: Network, mine: nn.Module, theirs: nn.Module) -> tuple[int, list[str], list[str]]:
    """Have upsamplers of another kind answer like the old ones. Returns how many numbers that set, notes, and the
    prefixes of the names of what is dealt with."""
    names, others = ({id(m): name for name, m in each.named_modules()} for each in (mine, theirs))
    numbers, notes, aside = 0, [], []
    for new, before in zip(network.upsamplers(), old.upsamplers(), strict=False):
        state, stored = new.state_dict(), before.state_dict()
        alike = {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in stored.items()}
        if alike and names[id(new)] == others[id(before)] and upsample.describe(new) == upsample.describe(before):
            continue
        aside.append(names[id(new)] + ".")
        if not state:
            continue
        error, why = answer_like(new, before)
        if error is None:
            notes.append(f"Upsampler {names[id(new)]} begins as built: {why}")
        else:
            numbers += sum(value.numel() for value in state.values())
            notes.append(f"Upsampler {names[id(new)]} answers like the one of init to within {error:.1%} of its output")
    return numbers, notes, aside


def other_bands(start: Saved, bands: Mapping[str, Any] | None, as_many: bool) -> bool:
    """Whether the saved network takes other channels, though perhaps as many, or numbers of another unit."""
    before = start.config.get("bands")
    if before is None and bands is None:
        return not as_many
    if before is None or bands is None:
        return True
    return before["order"] != bands["order"] or before["floating"] != bands["floating"]


def for_other_bands(
    weight: Tensor, before: Mapping[str, Any] | None, bands: Mapping[str, Any] | None, channels: int
) -> tuple[Tensor | None, str]:
    """The weight (K, C, h, w) of a first convolution for other channels, and what was done; None, and why not."""
    if before is not None and bands is not None:
        shared = [number for number in bands["order"] if number in before["order"]]
        if not shared:
            return None, "the two take no band in common"
        made = torch.zeros(weight.shape[0], channels, *weight.shape[2:])
        for number in shared:
            made[:, bands["order"].index(number)] = weight[:, before["order"].index(number)]
        return made, f"bands {', '.join(map(str, shared))} keep their weights, others begin at 0"
    if weight.shape[1] == 3:
        return widened(weight, channels), "weights of red, green and blue in turn, times 3 / channels"
    return None, f"{weight.shape[1]} channels there, {channels} here, and which is which is not known"
