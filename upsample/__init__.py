"""Upsampling operators under one contract, their exact algebra, and measures of the checkerboards they print.

Depends on torch, torchmetrics and matplotlib only: the folder can be lifted into any project.

>>> import torch, upsample
>>> up = upsample.build("deconv", in_channels=8, out_channels=4, scale=2)
>>> up(torch.zeros(1, 8, 5, 7)).shape
torch.Size([1, 4, 10, 14])
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsample.algebra.imbalance import Imbalance as Imbalance
    from upsample.algebra.imbalance import phase_imbalance as phase_imbalance
    from upsample.algebra.overlap import Overlap as Overlap
    from upsample.algebra.overlap import even_settings as even_settings
    from upsample.algebra.overlap import overlap as overlap
    from upsample.algebra.overlap import padding_for as padding_for
    from upsample.algebra.polyphase import Polyphase as Polyphase
    from upsample.algebra.polyphase import from_polyphase as from_polyphase
    from upsample.algebra.polyphase import polyphase as polyphase
    from upsample.algebra.spectrum import aliasing_ratio as aliasing_ratio
    from upsample.algebra.spectrum import imaging_ratio as imaging_ratio
    from upsample.contract import Operator as Operator
    from upsample.contract import available as available
    from upsample.contract import build as build
    from upsample.contract import operator as operator
    from upsample.instrument.checkerboard import Checkerboard as Checkerboard
    from upsample.instrument.outputs import GridInOutputs as GridInOutputs
    from upsample.instrument.shifts import GridByShifting as GridByShifting
    from upsample.models.attribute import Attribution as Attribution
    from upsample.models.attribute import attribute as attribute
    from upsample.models.audit import audit as audit
    from upsample.models.repair import Repair as Repair
    from upsample.models.repair import repair as repair
    from upsample.models.swapping.swap import swap as swap
    from upsample.pages.describe import describe as describe

# Where each name is from. It is imported when it is asked for: torch takes seconds, which not every command needs.
HOMES = {
    "Attribution": "upsample.models.attribute",
    "Checkerboard": "upsample.instrument.checkerboard",
    "GridByShifting": "upsample.instrument.shifts",
    "GridInOutputs": "upsample.instrument.outputs",
    "Imbalance": "upsample.algebra.imbalance",
    "Operator": "upsample.contract",
    "Overlap": "upsample.algebra.overlap",
    "Polyphase": "upsample.algebra.polyphase",
    "Repair": "upsample.models.repair",
    "aliasing_ratio": "upsample.algebra.spectrum",
    "attribute": "upsample.models.attribute",
    "audit": "upsample.models.audit",
    "available": "upsample.contract",
    "build": "upsample.contract",
    "describe": "upsample.pages.describe",
    "even_settings": "upsample.algebra.overlap",
    "from_polyphase": "upsample.algebra.polyphase",
    "imaging_ratio": "upsample.algebra.spectrum",
    "operator": "upsample.contract",
    "overlap": "upsample.algebra.overlap",
    "padding_for": "upsample.algebra.overlap",
    "phase_imbalance": "upsample.algebra.imbalance",
    "polyphase": "upsample.algebra.polyphase",
    "repair": "upsample.models.repair",
    "swap": "upsample.models.swapping.swap",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"upsample has no '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
