"""Scores of values against torchmetrics' and by hand, whatever the batches."""

import math

import pytest
import torch
from torchmetrics.functional import mean_absolute_error, mean_squared_error, r2_score

from models.tasks.regression.scores import ValuePairs, ValueScores


@pytest.mark.parametrize("sizes", [[7], [3, 4], [1] * 7])
def test_they_are_of_all_pixels_whatever_the_batches(sizes: list[int]) -> None:
    random = torch.Generator().manual_seed(0)
    truth = 500 + 200 * torch.randn(7, 9, 8, generator=random)
    output = truth + 50 * torch.randn(7, 9, 8, generator=random) + 10
    truth[2, 3:] = math.nan  # images of differing shares: a mean of images would be another
    truth[5] = math.nan
    scores = ValueScores()
    for a, b in zip(output.split(sizes), truth.split(sizes), strict=True):
        scores.update(a, b)
    known = truth.isfinite()
    found, true = output[known].double(), truth[known].double()
    assert scores.compute() == pytest.approx(
        {
            "rmse": mean_squared_error(found, true, squared=False).item(),
            "mae": mean_absolute_error(found, true).item(),
            "r2": r2_score(found, true).item(),
        }
    )


def test_nothing_known_and_nothing_to_explain() -> None:
    scores = ValueScores()
    assert all(math.isnan(value) for value in scores.compute().values())
    scores.update(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 2.0]]]))
    found = scores.compute()
    assert (found["rmse"], found["mae"]) == (1, 1)
    assert math.isnan(found["r2"])


def test_pairs_are_counted_where_they_lie_and_beyond_the_ends_at_them() -> None:
    pairs = ValuePairs(0.0, 64.0)
    truth = torch.tensor([[[0.5, 63.5, -9.0, 100.0, math.nan]]])
    output = torch.tensor([[[5.5, 63.5, -1.0, 2.5, 7.0]]])
    pairs.update(output, truth)
    assert pairs.compute().nonzero().tolist() == [[0, 0], [0, 5], [63, 2], [63, 63]]
    assert pairs.compute().sum() == 4
