"""Scores of overlapping classes, accumulated over a data set: never averages of batches or images."""

import torch
from torch import Tensor
from torchmetrics import Metric

from models.tasks.segmentation.scores import BOUNDARY_WIDTH, boundary

STEPS = 200  # of the probabilities that thresholds are chosen among
IGNORED = 255


class Thresholds(Metric):
    """Which threshold of each class's probability scores the best IoU on a data set.

    update(probability, truth): (N, K, H, W) in [0, 1], and planes of 0, 1 or IGNORED.
    compute(): thresholds (K,), multiples of 1 / STEPS inside (0, 1), of several equally good ones that nearest to 0.5,
    and 0.5 for a class that is nowhere; and the IoU (K,) at these, NaN for such a class where it is not found either.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        # Pixels by class, by step of their probability, and by whether they are of the class.
        self.add_state("counts", torch.zeros(classes, STEPS, 2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, probability: Tensor, truth: Tensor) -> None:
        """Count one batch."""
        step = (probability * STEPS).clamp(0, STEPS - 1).long()
        for k in range(len(self.counts)):
            plane = truth[:, k]
            code = (step[:, k] * 2 + (plane == 1))[plane != IGNORED]
            self.counts[k] += torch.bincount(code, minlength=2 * STEPS).view(STEPS, 2)

    def compute(self) -> tuple[Tensor, Tensor]:
        """See the class."""
        above = self.counts.flip(1).cumsum(1).flip(1).double()  # in this step or a higher one
        false, true = above[..., 0], above[..., 1]
        score = true / (false + true[:, :1])  # the union: what is found, and what is missed
        # The threshold of step i, of those from 1, is i / STEPS; without any pixel of the class all of them score 0.
        order = sorted(range(1, STEPS), key=lambda i: abs(i - STEPS // 2))
        best = torch.tensor(order, device=score.device)[score[:, order].nan_to_num(0).argmax(1)]
        return best.float() / STEPS, score.gather(1, best[:, None])[:, 0].float()


class OverlapScores(Metric):
    """IoU and Dice of each class over a whole data set, and boundary IoU.

    update(prediction, truth): (N, K, H, W) of 0 and 1, and of 0, 1 or IGNORED, which counts nowhere.
    counts     (K, 4) int64: true positives, false positives, false negatives, true negatives, pixels of each class
    compute(): floats `miou`, `dice`, the means, `boundary_iou`, `iou/<class>` and `dice/<class>`; of a `binary` one
    `iou`, `dice`, `precision`, `recall` and `boundary_iou` of the foreground. A class absent from both prediction and
    truth is NaN and left out of the means.
    """

    full_state_update = False
    counts: Tensor
    boundary_hits: Tensor
    boundary_union: Tensor

    def __init__(self, classes: list[str], binary: bool = False) -> None:
        super().__init__()
        self.classes, self.binary = classes, binary
        self.add_state("counts", torch.zeros(len(classes), 4, dtype=torch.long), dist_reduce_fx="sum")
        for name in ("boundary_hits", "boundary_union"):
            self.add_state(name, torch.zeros(len(classes), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count one batch."""
        height, width = truth.shape[-2:]
        reach = max(1, round(BOUNDARY_WIDTH * (height**2 + width**2) ** 0.5))
        for k in range(len(self.classes)):  # one at a time: all at once would fill the memory
            known = truth[:, k] != IGNORED
            found, true = ((planes[:, k] == 1) & known for planes in (prediction, truth))
            hit, seen, there = ((found & true).sum(), found.sum(), true.sum())
            self.counts[k] += torch.stack([hit, seen - hit, there - hit, known.sum() - seen - there + hit])
            if seen or there:
                edges = [boundary(mask, reach) for mask in (found, true)]
                self.boundary_hits[k] += (edges[0] & edges[1]).sum()
                self.boundary_union[k] += (edges[0] | edges[1]).sum()

    def compute(self) -> dict[str, float]:
        """See the class."""
        hit, invented, missed, _ = self.counts.double().unbind(1)
        iou, dice = hit / (hit + invented + missed), 2 * hit / (2 * hit + invented + missed)
        edges = {"boundary_iou": (self.boundary_hits.double() / self.boundary_union).nanmean().item()}
        if self.binary:
            scores = {"iou": iou, "dice": dice, "precision": hit / (hit + invented), "recall": hit / (hit + missed)}
            return {name: value.item() for name, value in scores.items()} | edges
        return {
            "miou": iou.nanmean().item(),
            "dice": dice.nanmean().item(),
            **edges,
            **{f"iou/{name}": value for name, value in zip(self.classes, iou.tolist(), strict=True)},
            **{f"dice/{name}": value for name, value in zip(self.classes, dice.tolist(), strict=True)},
        }
