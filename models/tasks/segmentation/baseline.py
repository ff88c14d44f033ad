"""What a segmentation scores without a network: the best guess from a pixel's colour alone."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from models.tasks.segmentation.scores import iou


def colour_codes(image: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 to (N, H, W) int64 of 12 bits: the four highest of each channel."""
    red, green, blue = (image >> 4).long().unbind(1)
    return red << 8 | green << 4 | blue


def colour_counts(batches: Iterable[dict[str, Any]], classes: int) -> Tensor:
    """(4096, classes) int64: how often each colour is each class. Other labels are ignored."""
    counts = torch.zeros(4096 * classes, dtype=torch.long)
    for batch in batches:
        mask = batch["mask"].long()
        kept = mask < classes
        counts += torch.bincount((colour_codes(batch["image"]) * classes + mask)[kept], minlength=4096 * classes)
    return counts.view(4096, classes)


def lookup_miou(fitted: Tensor, scored: Tensor) -> float:
    """mIoU, on the colour counts `scored`, of the best look-up table from colour to class fitted on `fitted`.

    Both (4096, classes). The most frequent class of a colour is not the best choice for mIoU where a class is
    rare, so counts are weighted by frequency**-a, and the table takes the a that scores best on `fitted`.
    """

    def score(counts: Tensor, table: Tensor) -> float:
        confusion = torch.zeros(counts.shape[1], counts.shape[1], dtype=torch.long)
        return iou(confusion.index_add_(1, table, counts.T.contiguous())).nanmean().item()

    frequency = (fitted.sum(0) / fitted.sum()).clamp_min(1e-12)
    tables = [(fitted * frequency**-a).argmax(1) for a in torch.linspace(0, 1, 11)]
    return score(scored, max(tables, key=lambda table: score(fitted, table)))
