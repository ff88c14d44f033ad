"""What a segmentation scores without a network: the best guess from a pixel's colour, or its bands, alone."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from models.tasks.segmentation.scores import iou

MOST_BITS = 16  # of a code: beyond so many bands the others are left out of the table


def bits_each(bands: int) -> int:
    """How many of its highest bits each band gives to a code, so that all give about 12."""
    return max(1, 12 // min(bands, MOST_BITS))


def codes_of(image: Tensor) -> Tensor:
    """(N, C, H, W) uint8 to (N, H, W) int64: the highest bits of each band, four of each of three colours."""
    bits = min(8, bits_each(image.shape[1]))
    code = torch.zeros_like(image[:, 0], dtype=torch.long)
    for band in image[:, :MOST_BITS].unbind(1):
        code = code << bits | (band >> (8 - bits)).long()
    return code


def code_counts(
    batches: Iterable[dict[str, Any]], classes: int, spread: Callable[[Tensor], Tensor], bands: int
) -> Tensor:
    """(codes, classes) int64: how often each code is each class. Other labels are ignored.

    spread  images (N, bands, H, W) as uint8
    """
    codes = 2 ** (min(8, bits_each(bands)) * min(bands, MOST_BITS))
    counts = torch.zeros(codes * classes, dtype=torch.long)
    for batch in batches:
        mask = batch["mask"].long()
        kept = mask < classes
        counts += torch.bincount((codes_of(spread(batch["image"])) * classes + mask)[kept], minlength=codes * classes)
    return counts.view(codes, classes)


def table_name(bands: int) -> str:
    """What the table is called beside a score."""
    if bands == 3:
        return "colour table"
    if bands == 1:
        return "table of grey levels"
    return f"table of {bands} bands" if bands <= MOST_BITS else f"table of the first {MOST_BITS} of {bands} bands"


def lookup_miou(fitted: Tensor, scored: Tensor) -> float:
    """mIoU, on the counts `scored`, of the best look-up table from code to class fitted on `fitted`.

    Both (codes, classes). The most frequent class of a code is not the best choice for mIoU where a class is
    rare, so counts are weighted by frequency**-a, and the table takes the a that scores best on `fitted`.
    """

    def score(counts: Tensor, table: Tensor) -> float:
        confusion = torch.zeros(counts.shape[1], counts.shape[1], dtype=torch.long)
        return iou(confusion.index_add_(1, table, counts.T.contiguous())).nanmean().item()

    frequency = (fitted.sum(0) / fitted.sum()).clamp_min(1e-12)
    tables = [(fitted * frequency**-a).argmax(1) for a in torch.linspace(0, 1, 11)]
    return score(scored, max(tables, key=lambda table: score(fitted, table)))
