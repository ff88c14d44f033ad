"""Losses for segmentation: logits (N, K, H, W) floating, target (N, H, W) int64 of classes or `ignore_index`.

Each returns a scalar and is 0 with finite gradients where every pixel is ignored.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
    """Class-weighted cross-entropy, the mean over pixels weighted by their class."""
    kept = target != ignore_index
    # Added up by itself it is a little slower, but CUDA's sum inside of the loss comes in any order.
    reduction = "none" if torch.are_deterministic_algorithms_enabled() else "sum"
    each = F.cross_entropy(logits, target, weights, ignore_index=ignore_index, reduction=reduction).sum()
    return each / (weights[target.where(kept, 0)] * kept).sum().clamp_min(1e-6)


def ohem(logits: Tensor, target: Tensor, weights: Tensor, ignore_index: int, share: float = 0.25) -> Tensor:
    """The mean class-weighted cross-entropy of the hardest `share` of the pixels.

    Online hard example mining, Shrivastava et al. (2016); for pixels, Wu et al., "Bridging category-level
    and instance-level semantic image segmentation" (2016), section 3.
    """
    each = F.cross_entropy(logits, target, weights, ignore_index=ignore_index, reduction="none")
    kept = target != ignore_index
    hardest = each[kept].topk(int(share * kept.sum().item()) + bool(kept.any())).values
    return hardest.sum() / max(1, len(hardest))


def focal(logits: Tensor, target: Tensor, weights: Tensor, ignore_index: int, gamma: float = 2.0) -> Tensor:
    """Cross-entropy scaled by (1 - p)**gamma, p the true class's probability. Lin et al. (2017), section 3.2."""
    kept = target != ignore_index
    log_p = logits.log_softmax(1).gather(1, target.where(kept, 0)[:, None])[:, 0]
    weight = weights[target.where(kept, 0)] * kept
    return -(weight * (1 - log_p.exp()) ** gamma * log_p).sum() / weight.sum().clamp_min(1e-6)


def lovasz(logits: Tensor, target: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
    """Lovasz-Softmax: a convex surrogate of 1 - IoU, class-weighted mean over the classes that the batch holds.

    Berman et al., "The Lovasz-Softmax loss" (2018), section 3: with the pixels of a class sorted by error,
    each error is weighted by how much the Jaccard loss grows when its pixel joins the mistakes.
    """
    kept = target != ignore_index
    probability = logits.softmax(1).movedim(1, -1)[kept]
    truth = target[kept]
    terms, share = logits.sum() * 0, torch.zeros((), device=logits.device)
    for k in truth.unique():
        member = (truth == k).float()
        errors, order = (member - probability[:, k]).abs().sort(descending=True)
        hit = member[order]
        missed, invented = hit.cumsum(0), (1 - hit).cumsum(0)
        loss = 1 - (hit.sum() - missed) / (hit.sum() + invented)
        growth = torch.diff(loss, prepend=loss.new_zeros(1))
        terms, share = terms + weights[k] * (errors * growth).sum(), share + weights[k]
    return terms / share.clamp_min(1e-6)


def dice_loss(logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the classes that the batch holds; in [0, 1].

    The coefficient is taken over the whole batch, not per image, so that a class need not be in every
    image. Milletari et al., "V-Net" (2016), section 3, with the plain instead of the squared denominator.
    """
    overlap, found, there = soft_counts(logits, target, ignore_index)
    present = there > 0
    dice = 2 * overlap / (found + there).clamp_min(1e-6)
    return torch.where(present, 1 - dice, 0).sum() / present.sum().clamp_min(1)


def soft_counts(logits: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """(K,) each, over the whole batch: the probability on pixels of a class, on all, and how many are of it."""
    kept = target != ignore_index
    probability = logits.softmax(1) * kept[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device).view(-1, 1, 1)
    truth = (target[:, None] == classes) & kept[
        :, None
    ]  # one_hot would be eight times as large, and look at the values
    return (probability * truth).sum((0, 2, 3)), probability.sum((0, 2, 3)), truth.sum((0, 2, 3))


def tversky(
    logits: Tensor, target: Tensor, weights: Tensor, ignore_index: int, false: float = 0.3, missed: float = 0.7
) -> Tensor:
    """One minus TP / (TP + 0.3 FP + 0.7 FN), all soft, class-weighted mean over the classes that the batch holds.

    Salehi et al., "Tversky loss function" (2017), section 3: what is missed weighs more than what is found too much.
    """
    hit, found, there = soft_counts(logits, target, ignore_index)
    share = weights * (there > 0)
    each = 1 - hit / (hit + false * (found - hit) + missed * (there - hit)).clamp_min(1e-6)
    return (each * share).sum() / share.sum().clamp_min(1e-6)


LOSSES = {"tversky": tversky, "cross_entropy": cross_entropy, "ohem": ohem, "focal": focal, "lovasz": lovasz}
