"""What a regression scores without a network: the mean value of a pixel's colour, or of its bands, in training."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from models.tasks.regression.scores import ValueScores
from models.tasks.segmentation.baseline import MOST_BITS, bits_each, codes_of


def sums_by_code(batches: Iterable[dict[str, Any]], spread: Callable[[Tensor], Tensor], bands: int) -> Tensor:
    """(2, codes) float64: how many training values each code has, and their sum.

    spread  images (N, bands, H, W) as uint8
    """
    codes = 2 ** (min(8, bits_each(bands)) * min(bands, MOST_BITS))
    sums = torch.zeros(2, codes, dtype=torch.float64)
    for batch in batches:
        known = batch["target"].isfinite()
        code = codes_of(spread(batch["image"]))[known]
        sums[0] += torch.bincount(code, minlength=codes)
        sums[1] += torch.bincount(code, batch["target"][known].double(), minlength=codes)
    return sums


def table_scores(sums: Tensor, batches: Iterable[dict[str, Any]], spread: Callable[[Tensor], Tensor]) -> ValueScores:
    """The scores, on batches of the test, of the table from code to mean value; a code that training did not have gets
    the mean of all."""
    number, total = sums
    table = torch.where(number > 0, total / number.clamp_min(1), total.sum() / number.sum().clamp_min(1))
    scores = ValueScores()
    for batch in batches:
        scores.update(table[codes_of(spread(batch["image"]))], batch["target"])
    return scores
