"""Depth to space written out by reshape and permute, as un-patchifying decoders do, found in what a forward moves.

The moves are done again on a tensor of whole numbers, so that each output pixel tells which feature of which
place it holds, whatever the order of the channels and whichever library moved them.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from upsample.models.tracing import MOVES, Call, Trace, Value, replay, root_of

LARGEST = 2**24  # values that are moved once more to see where they go


@dataclass(frozen=True)
class Rearranged:
    """Features that became pixels."""

    call: Call  # the last of the moves
    root: Value  # what was moved
    order: Tensor  # (out_channels, *scale) int64: the feature that becomes each channel at each place of a block


def shuffle_order(call: Call) -> Tensor:
    """(out_channels, scale, scale) int64: which channel becomes which of a call of pixel_shuffle.

    In torch's order, and ONNX's CRD, the places of a block lie next to each other; in its DCR the channels do.
    """
    scale, channels = call.given["upscale_factor"], call.given["self"].shape[1]
    if call.given.get("mode") == "DCR":
        return torch.arange(channels).view(scale, scale, -1).permute(2, 0, 1)
    return torch.arange(channels).view(-1, scale, scale)


def rearranged(found: Trace) -> list[Rearranged]:
    """Every chain of moves that deals features out to neighbouring pixels, once each."""
    moved_on = {id(v) for call in found.calls if call.op in MOVES for v in [call.given.get("self")]}
    ends = [v for call in found.calls if call.op in MOVES for v in call.results if id(v) not in moved_on]
    # What is used as it is and moved on as well is an end, too.
    used = {
        id(v)
        for call in found.calls
        if call.op not in MOVES
        for v in call.given.values()
        if isinstance(v, Value) and v.made_by is not None and v.made_by.op in MOVES
    } | {id(v) for v in found.outputs}
    middle = [v for call in found.calls if call.op in MOVES for v in call.results if id(v) in used & moved_on]
    results = []
    for value in [*ends, *middle]:
        root = root_of(value)
        if root is value or root.parameter or prod(root.shape) > LARGEST or not _turns(value, root):
            continue
        if len(value.shape) == len(root.shape) and all(
            n <= m for n, m in zip(value.shape[2:], root.shape[2:], strict=True)
        ):
            continue  # pixels become features there
        order = _order(value, root)
        if order is not None and value.made_by is not None:
            results.append(Rearranged(value.made_by, root, order))
    return results


def _turns(value: Value, root: Value) -> bool:
    """Whether the moves change the order of axes and their number: what deals out does both."""
    ops = set()
    while value is not root and value.made_by is not None:
        ops.add(value.made_by.op)
        value = value.made_by.given["self"]
    return bool(ops & {"permute", "transpose"}) and bool(ops & {"view", "_unsafe_view", "reshape", "unflatten"})


def _order(value: Value, root: Value) -> Tensor | None:
    """The order of the features, where neighbours in `value` hold different features of one place of `root`."""
    multiplied = root.made_by is not None and root.made_by.op in ("mm", "addmm")
    if len(value.shape) not in (3, 4, 5) or len(root.shape) < (2 if multiplied else 3):
        return None
    numbers = replay(value, root, torch.arange(prod(root.shape)).view(root.shape))
    if tuple(numbers.shape) != value.shape:
        return None
    convolved = root.made_by is not None and root.made_by.op == "convolution"
    for features in (1,) if convolved else (len(root.shape) - 1,):
        below = prod(root.shape[features + 1 :])
        feature = numbers // below % root.shape[features]
        elsewhere = numbers - feature * below  # the place that a pixel's value comes from
        for channel in (1, -1):
            order = _dealt(feature.movedim(channel, 1)[0], elsewhere.movedim(channel, 1)[0])
            if order is not None:
                return order
    return None


def _dealt(feature: Tensor, place: Tensor) -> Tensor | None:
    """(C, *size) feature and place numbers -> (C, *scale) features, where that is what happens, all over."""
    if not (place == place[:1]).all():
        return None
    scale = []
    for a in range(1, feature.dim()):
        n = feature.shape[a]
        period = next(
            p
            for p in range(1, n + 1)
            if n % p == 0 and torch.equal(feature.narrow(a, p, n - p), feature.narrow(a, 0, n - p))
        )
        if period == n > 1:
            return None
        scale.append(period)
    if prod(scale) == 1:
        return None
    block = (slice(None), *(slice(p) for p in scale))
    first = place[0]
    for a, p in enumerate(scale):  # one place for each block, another for the next
        blocks = first.unflatten(a, (-1, p))
        if not (blocks == blocks.narrow(a + 1, 0, 1)).all():
            return None
    if len(first.unique()) != first.numel() // prod(scale) or first.numel() == prod(scale):
        return None
    order = feature[block]
    return order.clone() if len(order.unique()) == order.numel() else None
