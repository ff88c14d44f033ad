"""Losses for segmentation."""

import torch
import torch.nn.functional as F
from torch import Tensor


def dice_loss(logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the classes that the batch holds; a scalar in [0, 1].

    logits (N, K, H, W) floating, target (N, H, W) int64. The coefficient is taken over the whole batch,
    not per image, so that a class need not be in every image. Milletari et al., "V-Net" (2016), section 3,
    with the plain instead of the squared denominator.
    """
    kept = target != ignore_index
    probability = logits.softmax(1) * kept[:, None]
    truth = F.one_hot(target.where(kept, 0), logits.shape[1]).movedim(-1, 1) * kept[:, None]
    overlap = (probability * truth).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    dice = 2 * overlap / total.clamp_min(1e-6)
    return torch.where(present, 1 - dice, 0).sum() / present.sum().clamp_min(1)
