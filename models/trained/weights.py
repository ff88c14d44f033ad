"""Weights out of anyone's file: plain tensors of finite numbers, as the network they are for has them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plumbing.messages import printable

FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WHOLE = (torch.int64, torch.int32, torch.uint8, torch.bool)  # of counters and tables


def check_stored(weights: Mapping[Any, Any]) -> None:
    """Raise ValueError, naming the first that is otherwise, unless all are dense tensors of numbers in memory, each
    with a name and with as much memory as it has numbers."""
    for key, value in weights.items():
        if not isinstance(key, str):
            raise ValueError(f"the weights have a name that is a {type(key).__name__}, not text")
        reason = _unfit(value)
        if reason is not None:
            raise ValueError(f"the weights {printable(key, 80)} are {reason}, not a plain tensor of numbers")


def _unfit(value: Any) -> str | None:
    if type(value) not in (Tensor, nn.Parameter):
        return f"a {type(value).__name__}"
    if value.layout != torch.strided or value.is_nested:
        return "sparse or nested"
    if value.device.type != "cpu":  # meta: shapes alone
        return f"on the device {value.device.type}"
    if value.is_quantized or value.dtype not in (*FLOATING, *WHOLE):
        return f"of {str(value.dtype).removeprefix('torch.')}"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "one number shown as many"
    return None


def check_kinds(weights: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> None:
    """Raise ValueError where a network wants floating numbers and has others stored, or whole ones and has others."""
    for key, wanted in network.items():
        found = weights[key].dtype
        if found != wanted.dtype and not (found in FLOATING and wanted.dtype in FLOATING):
            raise ValueError(f"the weights {key} are of {found}, but the network has {wanted.dtype} there")


def check_loaded(network: nn.Module) -> None:
    """Raise ValueError for weights that hold NaN or infinity, and for variances below zero, which give NaN."""
    for key, value in network.state_dict().items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(f"the weights {key} hold NaN or infinity, so the network would give nothing else")
        if key.endswith("running_var") and bool((value < 0).any()):
            raise ValueError(f"the weights {key} hold variances below zero, so the network would give NaN")
