"""Scores of a regression, accumulated over a data set: never averages of batches or images."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ValueScores(Metric):
    """Root mean square error, mean absolute error and R2 over all pixels with a truth of a data set.

    update(output, truth): both (N, H, W) floating in the data's units; NaN in truth counts nowhere.
    compute(): {"rmse", "mae", "r2"}; r2 is 1 - SSE / SST, the share of the truth's variance that is explained, 0 for a
    guess of the truth's own mean. NaN where there is no truth, or nothing to explain.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Of pixels: their number, absolute and squared error, and the truth's sum and square.
        self.add_state("sums", torch.zeros(5, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, output: Tensor, truth: Tensor) -> None:
        """Add up one batch, on the CPU: not every accelerator has float64."""
        known = truth.isfinite()
        true, found = (x[known].cpu().double() for x in (truth, output))
        error = found - true
        parts = (error.abs(), error.square(), true, true.square())
        added = torch.stack([known.sum().cpu().double(), *(part.sum() for part in parts)])
        self.sums += added.to(self.sums.device)

    def compute(self) -> dict[str, float]:
        """See the class."""
        number, absolute, squared, total, square = self.sums.tolist()
        if not number:
            return dict.fromkeys(("rmse", "mae", "r2"), float("nan"))
        spread = square - total**2 / number
        return {
            "rmse": (squared / number) ** 0.5,
            "mae": absolute / number,
            "r2": 1 - squared / spread if spread > 0 else float("nan"),
        }


class ValuePairs(Metric):
    """How often which value is taken for which: counts (BINS, BINS) of truth by output, both between `low` and `high`;
    what lies beyond is counted at the ends."""

    full_state_update = False
    counts: Tensor
    BINS = 64

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.add_state("counts", torch.zeros(self.BINS, self.BINS, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, output: Tensor, truth: Tensor) -> None:
        """Count one batch, as `ValueScores.update` takes it."""
        known = truth.isfinite()
        place = [
            ((x[known] - self.low) / (self.high - self.low) * self.BINS).clamp(0, self.BINS - 1).long()
            for x in (truth, output)
        ]
        self.counts += torch.bincount(place[0] * self.BINS + place[1], minlength=self.BINS**2).view_as(self.counts)

    def compute(self) -> Tensor:
        """See the class."""
        return self.counts
