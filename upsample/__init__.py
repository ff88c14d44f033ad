"""Upsampling operators under one contract, their exact algebra, and measures of the checkerboards they print.

Depends on torch, torchmetrics and matplotlib only: the folder can be lifted into any project.

>>> import torch, upsample
>>> up = upsample.build("deconv", in_channels=8, out_channels=4, scale=2)
>>> up(torch.zeros(1, 8, 5, 7)).shape
torch.Size([1, 4, 10, 14])
"""

import upsample.operators  # noqa: F401  (registers them)
from upsample.contract import Operator, available, build, operator
from upsample.describe import describe
from upsample.phases import Overlap, even_settings, overlap, padding_for

__all__ = [
    "Operator",
    "Overlap",
    "available",
    "build",
    "describe",
    "even_settings",
    "operator",
    "overlap",
    "padding_for",
]
