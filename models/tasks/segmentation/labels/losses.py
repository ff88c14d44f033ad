"""Losses of overlapping classes: logits (N, K, H, W), member likewise of 0 and 1, known of 0 where a pixel is ignored.

Each is a weighted mean over classes; a scalar, 0 with finite gradients where every pixel is ignored.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def averaged(each: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """The mean of (N, K, H, W) over known pixels, each weighted by its class."""
    share = known * weights[:, None, None]
    return (each * share).sum() / share.sum().clamp_min(1e-6)


def binary_cross_entropy(logits: Tensor, member: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Of each class's probability, the sigmoid of its logit."""
    return averaged(F.binary_cross_entropy_with_logits(logits, member, reduction="none"), known, weights)


def focal(logits: Tensor, member: Tensor, known: Tensor, weights: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross-entropy scaled by (1 - p)**gamma, p the probability of what is true. Lin et al. (2017), section 3.2."""
    each = F.binary_cross_entropy_with_logits(logits, member, reduction="none")
    missed = 1 - (-each).exp()
    return averaged(each * missed**gamma, known, weights)


def overlaps(logits: Tensor, member: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(K,) each, over the whole batch: soft true positives, false positives and false negatives."""
    probability = logits.sigmoid() * known
    member = member * known
    hit = (probability * member).sum((0, 2, 3))
    return hit, probability.sum((0, 2, 3)) - hit, member.sum((0, 2, 3)) - hit


def tversky(
    logits: Tensor, member: Tensor, known: Tensor, weights: Tensor, false: float = 0.3, missed: float = 0.7
) -> Tensor:
    """One minus TP / (TP + 0.3 FP + 0.7 FN), all soft, mean over the classes that the batch holds.

    Salehi et al., "Tversky loss function" (2017), section 3: what is missed weighs more than what is found too much.
    """
    hit, wrong, absent = overlaps(logits, member, known)
    present = (hit + absent) > 0
    each = 1 - hit / (hit + false * wrong + missed * absent).clamp_min(1e-6)
    share = weights * present
    return (each * share).sum() / share.sum().clamp_min(1e-6)


def dice_loss(logits: Tensor, member: Tensor, known: Tensor) -> Tensor:
    """One minus the soft Dice coefficient, as of exclusive classes: `tversky` of equal halves, its classes alike."""
    return tversky(logits, member, known, torch.ones(logits.shape[1], device=logits.device), 0.5, 0.5)


LOSSES: dict[str, Loss] = {"cross_entropy": binary_cross_entropy, "focal": focal, "tversky": tversky}
