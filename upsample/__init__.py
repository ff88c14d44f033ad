"""Upsampling operators under one contract, their exact algebra, and measures of the checkerboards they print.

Depends on torch, torchmetrics and matplotlib only: the folder can be lifted into any project.

>>> import torch, upsample
>>> up = upsample.build("deconv", in_channels=8, out_channels=4, scale=2)
>>> up(torch.zeros(1, 8, 5, 7)).shape
torch.Size([1, 4, 10, 14])
"""

import importlib
from typing import TYPE_CHECKING, Any

import upsample.operators  # noqa: F401  (registers them)
from upsample.algebra.imbalance import Imbalance, phase_imbalance
from upsample.algebra.overlap import Overlap, even_settings, overlap, padding_for
from upsample.algebra.polyphase import Polyphase, from_polyphase, polyphase
from upsample.algebra.spectrum import aliasing_ratio, imaging_ratio
from upsample.contract import Operator, available, build, operator
from upsample.models.attribute import Attribution, attribute
from upsample.models.audit import audit
from upsample.models.repair import Repair, repair
from upsample.models.swapping.swap import swap
from upsample.pages.describe import describe

if TYPE_CHECKING:
    from upsample.instrument.checkerboard import Checkerboard
    from upsample.instrument.outputs import GridInOutputs
    from upsample.instrument.shifts import GridByShifting

# What takes seconds to import, and only who measures needs.
LATER = {
    "Checkerboard": "upsample.instrument.checkerboard",
    "GridByShifting": "upsample.instrument.shifts",
    "GridInOutputs": "upsample.instrument.outputs",
}


def __getattr__(name: str) -> Any:
    if name in LATER:
        return getattr(importlib.import_module(LATER[name]), name)
    raise AttributeError(f"upsample has no '{name}'")


__all__ = [
    "Attribution",
    "Checkerboard",
    "GridByShifting",
    "GridInOutputs",
    "Imbalance",
    "Operator",
    "Overlap",
    "Polyphase",
    "Repair",
    "aliasing_ratio",
    "attribute",
    "audit",
    "available",
    "build",
    "describe",
    "even_settings",
    "from_polyphase",
    "imaging_ratio",
    "operator",
    "overlap",
    "padding_for",
    "phase_imbalance",
    "polyphase",
    "repair",
    "swap",
]
