"""Losses of a regression: output and truth (N, H, W) floating, in standard deviations of the training's values.

Each is a mean over the pixels that have a truth, which is NaN elsewhere; 0 with finite gradients where none has.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def over_known(each: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean of `each`, a loss of torch for single pixels, over those with a truth."""

    def loss(output: Tensor, truth: Tensor) -> Tensor:
        known = truth.isfinite()
        # Chosen before the loss: what is not finite makes a gradient that is not, whatever it is multiplied by.
        pixels = each(output, truth.where(known, output.detach()), reduction="none")
        return torch.where(known, pixels, 0).sum() / known.sum().clamp_min(1)

    return loss


LOSSES = {"huber": over_known(F.huber_loss), "l1": over_known(F.l1_loss), "l2": over_known(F.mse_loss)}
