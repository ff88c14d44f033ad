"""Exactly one class a pixel: a softmax over all, and the likeliest."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from data.loading.loaded import LabelledImages
from models.tasks.segmentation.baseline import code_counts, lookup_miou
from models.tasks.segmentation.losses import LOSSES, dice_loss
from models.tasks.segmentation.scores import Confusion, SegmentationScores, iou


class Exclusive(nn.Module):
    """Labels (N, H, W) below K, or `info.ignore_index`, of logits (N, K, H, W).

    score     of validation, and of a baseline; names: of the logits' channels
    moves     how `GridByShifting` tells classes from logits
    """

    score, name = "miou", "exclusive"
    moves: Literal["one", "each"] = "one"

    def __init__(self, info: LabelledImages, loss: str, dice: float) -> None:
        super().__init__()
        self.names, self.palette, self.ignore_index = info.classes, info.palette, info.ignore_index
        self.pixel_loss, self.dice = LOSSES[loss], dice
        self.validation = Confusion(len(info.classes), info.ignore_index)

    def truth(self, mask: Tensor) -> Tensor:
        """A batch's mask as losses and scores take it, (N, H, W) int64."""
        return mask.long()

    def loss(self, logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """The pixel loss plus `dice` times the Dice loss, a scalar; weights (K,) of the classes."""
        loss = self.pixel_loss(logits, truth, weights, self.ignore_index)
        return loss + self.dice * dice_loss(logits, truth, self.ignore_index) if self.dice else loss

    def margins(self, logits: Tensor) -> Tensor:
        """What decides between classes: the logits."""
        return logits

    def decide(self, logits: Tensor) -> Tensor:
        """The likeliest class of each pixel, (N, H, W) int64."""
        return logits.argmax(1)

    def validate(self, strips: Iterable[Tensor], truth: Tensor) -> None:
        """Count a batch of the validation, whose logits come in strips of rows."""
        self.validation.update(torch.cat([strip.argmax(1) for strip in strips], 1), truth)

    def validated(self) -> Tensor:
        """The score of the validation, and begin another."""
        value = iou(self.validation.compute()).nanmean()
        self.validation.reset()
        return value

    def new_scores(self) -> SegmentationScores:
        """Of a test: updated with what `decide` and `truth` give."""
        return SegmentationScores(self.names, self.ignore_index)

    def members(self, labels: Tensor) -> Tensor:
        """(..., K, H, W) bool: of labels (..., H, W) where each class is."""
        return torch.stack([labels == k for k in range(len(self.names))], -3)

    def known(self, truth: Tensor) -> Tensor:
        """(..., H, W) bool: where a truth is of a class."""
        return truth != self.ignore_index

    def wrong(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """(..., H, W) bool: where a prediction is not the truth."""
        return (prediction != truth) & self.known(truth)

    def paint(self, labels: Tensor) -> Tensor:
        """Labels (H, W) in their colours, (H, W, 3) uint8; what is of no class is black."""
        paint = torch.zeros(256, 3, dtype=torch.uint8)
        paint[: len(self.palette)] = torch.tensor(self.palette, dtype=torch.uint8)
        return paint[labels]

    def counts(self, batches: Iterable[dict[str, Any]], spread: Any, bands: int) -> Tensor:
        """What a table from colour to class is fitted on or scored with: see `code_counts`."""
        return code_counts(batches, len(self.names), spread, bands)

    def table_score(self, fitted: Tensor, scored: Tensor) -> float:
        """The score of such a table."""
        return lookup_miou(fitted, scored)
