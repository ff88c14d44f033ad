"""Scores of a segmentation, accumulated over a data set: never averages of batches or images."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

BOUNDARY_WIDTH = 0.02  # of the image's diagonal: the boundary IoU paper's choice


def iou(confusion: Tensor) -> Tensor:
    """Intersection over union per class, (K,), of a confusion matrix (K, K) of truth by prediction.

    NaN for a class absent from both truth and prediction.
    """
    hit = confusion.diagonal().double()
    return hit / (confusion.sum(0) + confusion.sum(1) - hit)


def dice(overlap: Tensor) -> Tensor:
    """The Dice coefficient 2 TP / (2 TP + FP + FN) that goes with an IoU TP / (TP + FP + FN) of the same counts."""
    return 2 * overlap / (1 + overlap)


def boundary(member: Tensor, width: int) -> Tensor:
    """Pixels of a mask within `width` pixels (Chebyshev) of its outside or of the border, (N, H, W) bool both.

    Cheng et al., "Boundary IoU" (2021), section 4: the mask minus its erosion.
    """
    near = F.pad(~member, (width + 1, width) * 2, value=True)
    # A square, one axis at a time; by running counts, as a large image's is hundreds of pixels wide.
    for axis in (1, 2):
        count, length = near.cumsum(axis, dtype=torch.int32), member.shape[axis]
        near = count.narrow(axis, 2 * width + 1, length) > count.narrow(axis, 0, length)
    return member & near


class Confusion(Metric):
    """Pixels of each class that were taken for each class, over a whole data set.

    update(prediction, target): both (N, H, W) int64, below `classes`; target pixels of `ignore_index` count nowhere.
    compute(): (classes, classes) int64, truth by prediction.
    """

    full_state_update = False
    confusion: Tensor

    def __init__(self, classes: int, ignore_index: int) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.add_state("confusion", torch.zeros(classes, classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count one batch."""
        k = len(self.confusion)
        # What is ignored is counted as a class of its own, and dropped: picking out the others takes ten times as long.
        pairs = target.where(target != self.ignore_index, k) * k + prediction
        self.confusion += torch.bincount(pairs.flatten(), minlength=k * (k + 1))[: k * k].view(k, k)

    def compute(self) -> Any:
        """See the class."""
        return self.confusion


class SegmentationScores(Confusion):
    """mIoU, per-class IoU, pixel accuracy and boundary IoU over a whole data set.

    compute(): a flat dict of floats `miou`, `pixel_accuracy`, `boundary_iou` and `iou/<class>`; of two classes also
    `dice`, the Dice coefficient of the second, the foreground, whose IoU is `iou/<its name>`. A class absent from both
    prediction and truth is NaN and left out of the means.
    """

    boundary_hits: Tensor
    boundary_union: Tensor

    def __init__(self, classes: list[str], ignore_index: int) -> None:
        super().__init__(len(classes), ignore_index)
        self.classes = classes
        for name in ("boundary_hits", "boundary_union"):
            self.add_state(name, torch.zeros(len(classes), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count one batch."""
        super().update(prediction, target)
        height, width = target.shape[-2:]
        reach = max(1, round(BOUNDARY_WIDTH * (height**2 + width**2) ** 0.5))
        kept = target != self.ignore_index
        for c in range(
            len(self.classes)
        ):  # one at a time: all of them at once would fill the memory with a large image's masks
            # An ignored pixel belongs to no class in either mask, so both see the same boundary beside it.
            masks = [(labels == c) & kept for labels in (target, prediction)]
            if any(mask.any() for mask in masks):
                truth, predicted = (boundary(mask, reach) for mask in masks)
                self.boundary_hits[c] += (truth & predicted).sum()
                self.boundary_union[c] += (truth | predicted).sum()

    def compute(self) -> dict[str, float]:
        """See the class."""
        each = iou(self.confusion)
        return {
            "miou": each.nanmean().item(),
            "pixel_accuracy": (self.confusion.diagonal().sum() / self.confusion.sum()).item(),
            "boundary_iou": (self.boundary_hits.double() / self.boundary_union).nanmean().item(),
            **({"dice": dice(each[1]).item()} if len(each) == 2 else {}),
            **{f"iou/{name}": value for name, value in zip(self.classes, each.tolist(), strict=True)},
        }
