"""How much memory a run takes, and what it says where there is too little."""

import os
import resource
import sys

import torch
from pytorch_lightning.utilities.memory import is_oom_error
from torch import nn


def peak_memory_mb() -> float:
    """The process's peak: CUDA memory where a GPU was used, resident memory elsewhere, in MB (10**6 bytes)."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def refuse_too_large(network: nn.Module) -> None:
    """Raise ValueError for a network that this machine cannot train on any batch: building it would end the process,
    or everything beside it. A GPU that is smaller than the machine says so itself."""
    count = sum(parameter.numel() for parameter in network.parameters())
    needed = 16 * count  # in float32: weights, gradients and Adam's two moments
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > has:
        raise ValueError(
            f"the network has {count:.3g} parameters, which take {needed / 1e9:,.0f} GB of memory in training; this "
            f"machine has {has / 1e9:,.0f} GB: choose fewer or narrower levels"
        )


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that a GPU or the machine has no more memory to give."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (error is not None and is_oom_error(error))


def smaller_batch(size: int, peak: float, available: float) -> int:
    """The first of size/2, size/4, ... whose share of the peak leaves a tenth of what is available; 0: none does.

    The peak of a step that did not fit is less than the step needs, so this is likely to fit, not sure to.
    """
    size, whole = size // 2, size
    while size and peak * size / whole > 0.9 * available:
        size //= 2
    return size
