"""Classes that may overlap, a logit and a threshold for each; binary segmentation is one such class alone."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from data.files.palette import mixed
from data.loading.loaded import LabelledImages
from models.tasks.segmentation.baseline import MOST_BITS, bits_each, codes_of
from models.tasks.segmentation.labels.losses import LOSSES, dice_loss
from models.tasks.segmentation.labels.scores import OverlapScores, Thresholds
from plumbing.options import OptionError

IGNORED = 255  # in planes: neither of the class nor not


class Overlapping(nn.Module):
    """Planes (N, K, H, W) uint8 of 0, 1 or IGNORED, of logits (N, K, H, W).

    Masks are such planes or, of exclusive labels, made into one for each class, or for the second alone where `binary`.
    score, names, moves  as of `Exclusive`
    thresholds   (K,) of probabilities: a class is where its own is above. 0.5, until `validated` chooses others
    """

    moves: Literal["one", "each"] = "each"
    thresholds: Tensor

    def __init__(self, info: LabelledImages, loss: str, dice: float, binary: bool = False) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise OptionError(
                f"task.loss={loss} is for classes that exclude each other; where they overlap, or of one, choose from "
                f"{', '.join(LOSSES)}"
            )
        self.binary, self.planes, self.ignore_index = binary, info.overlapping, info.ignore_index
        self.name, self.score = ("binary", "iou") if binary else ("overlapping", "miou")
        self.first = len(info.classes) - 1 if binary else 0
        self.names, self.palette = info.classes[self.first :], info.palette[self.first :]
        self.pixel_loss, self.dice = LOSSES[loss], dice
        self.register_buffer("thresholds", torch.full((len(self.names),), 0.5))
        self.validation = Thresholds(len(self.names))

    def truth(self, mask: Tensor) -> Tensor:
        """A batch's mask as losses and scores take it: planes."""
        if self.planes:
            return mask
        planes = [(mask == self.first + k).to(torch.uint8) for k in range(len(self.names))]
        return torch.stack(planes, 1).masked_fill((mask == self.ignore_index)[:, None], IGNORED)

    def loss(self, logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """The pixel loss plus `dice` times the Dice loss, a scalar; weights of the classes, the last K of them."""
        member, known = (truth == 1).float(), (truth != IGNORED).float()
        loss = self.pixel_loss(logits, member, known, weights[self.first :])
        return loss + self.dice * dice_loss(logits, member, known) if self.dice else loss

    def margins(self, logits: Tensor) -> Tensor:
        """How far each logit is above its threshold's."""
        return logits - self.thresholds.logit()[:, None, None].to(logits.device)

    def decide(self, logits: Tensor) -> Tensor:
        """Where each class is, (N, K, H, W) uint8 of 0 and 1."""
        return (self.margins(logits) >= 0).to(torch.uint8)

    def validate(self, strips: Iterable[Tensor], truth: Tensor) -> None:
        """Count a batch of the validation, whose logits come in strips of rows."""
        row = 0
        for strip in strips:
            self.validation.update(strip.sigmoid(), truth[..., row : row + strip.shape[2], :])
            row += strip.shape[2]

    def validated(self) -> Tensor:
        """Take the thresholds that score best; the score of the validation at these, and begin another."""
        thresholds, each = self.validation.compute()
        self.thresholds.copy_(thresholds)
        self.validation.reset()
        return each.nanmean()

    def new_scores(self) -> OverlapScores:
        """Of a test: updated with what `decide` and `truth` give."""
        return OverlapScores(self.names, self.binary)

    def members(self, labels: Tensor) -> Tensor:
        """(..., K, H, W) bool: where each class is, and of one alone where it is not, too."""
        member = labels == 1
        return torch.cat([member, labels == 0], -3) if len(self.names) == 1 else member

    def known(self, truth: Tensor) -> Tensor:
        """(..., H, W) bool: where a truth says of any class whether it is there."""
        return (truth != IGNORED).any(-3)

    def wrong(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """(..., H, W) bool: where a prediction has a class that the truth has not, or lacks one."""
        return ((prediction != truth) & (truth != IGNORED)).any(-3)

    def paint(self, labels: Tensor) -> Tensor:
        """Planes (K, H, W) in their colours, (H, W, 3) uint8: the mean of theirs where classes overlap, else black."""
        return torch.from_numpy(mixed(labels.numpy() == 1, self.palette)[0])

    def counts(self, batches: Iterable[dict[str, Any]], spread: Callable[[Tensor], Tensor], bands: int) -> Tensor:
        """(codes, K, 2) int64: how often each colour is not, and is, of each class. Other labels are ignored."""
        codes = 2 ** (min(8, bits_each(bands)) * min(bands, MOST_BITS))
        counts = torch.zeros(codes, len(self.names), 2, dtype=torch.long)
        for batch in batches:
            code, truth = codes_of(spread(batch["image"])), self.truth(batch["mask"])
            for k in range(len(self.names)):
                plane = truth[:, k]
                for value in (0, 1):
                    counts[:, k, value] += torch.bincount(code[plane == value], minlength=codes)
        return counts

    def table_score(self, fitted: Tensor, scored: Tensor) -> float:
        """Mean IoU, on the counts `scored`, of the tables from colour to class that are best on `fitted`: they have the
        colours of which the largest shares are of the class, as many as score best."""
        each = []
        for k in range(len(self.names)):
            order = (fitted[:, k, 1] / fitted[:, k].sum(1).clamp_min(1)).argsort(descending=True, stable=True)
            reached = [jaccard(counts[order, k]) for counts in (fitted, scored)]
            each.append(reached[1][reached[0].nan_to_num(-1).argmax()])
        return torch.stack(each).nanmean().item()


def jaccard(counts: Tensor) -> Tensor:
    """IoU (codes,), float64, where the first codes, one and more, are taken for the class; counts (codes, 2)."""
    false, true = counts.cumsum(0).double().unbind(1)
    return true / (false + counts[:, 1].sum())
