"""Scores and thresholds of overlapping classes: against segmentation-models-pytorch, loops, and planted answers."""

import math

import pytest
import segmentation_models_pytorch as smp
import torch

from models.tasks.segmentation.labels.scores import IGNORED, STEPS, OverlapScores, Thresholds


def drawn(classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and truths (5, K, 12, 10) that agree more often than not."""
    random = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, 2, (5, classes, 12, 10), generator=random, dtype=torch.uint8)
    flipped = torch.rand(truth.shape, generator=random) < 0.2
    return torch.where(flipped, 1 - truth, truth), truth


@pytest.mark.parametrize("binary", [False, True])
def test_they_are_those_of_segmentation_models_pytorch(binary: bool) -> None:
    classes = ["only"] if binary else ["a", "b", "c"]
    prediction, truth = drawn(len(classes))
    scores = OverlapScores(classes, binary)
    for one, other in zip(prediction.split(2), truth.split(2), strict=True):
        scores.update(one, other)
    found = scores.compute()
    stats = smp.metrics.get_stats(prediction.long(), truth.long(), mode="binary" if binary else "multilabel")
    counts = torch.stack([each.sum(0) for each in stats], 1)  # tp, fp, fn, tn over all images
    assert torch.equal(scores.counts, counts)
    together = [each.sum(0, keepdim=True) for each in stats]
    if binary:
        assert found["iou"] == pytest.approx(smp.metrics.iou_score(*together, reduction="micro").item())
        assert found["dice"] == pytest.approx(smp.metrics.f1_score(*together, reduction="micro").item())
        assert found["precision"] == pytest.approx(smp.metrics.precision(*together, reduction="micro").item())
        assert found["recall"] == pytest.approx(smp.metrics.recall(*together, reduction="micro").item())
    else:
        assert found["miou"] == pytest.approx(smp.metrics.iou_score(*together, reduction="macro").item())
        assert found["dice"] == pytest.approx(smp.metrics.f1_score(*together, reduction="macro").item())


def test_overlapping_pixels_count_for_each_class_and_ignored_ones_nowhere() -> None:
    truth = torch.tensor([[[1, 1, 0, 0, IGNORED]], [[1, 0, 0, 1, 1]], [[0, 0, 0, 0, 0]]], dtype=torch.uint8)[None]
    prediction = torch.tensor([[[1, 0, 1, 0, 1]], [[1, 1, 0, 1, 1]], [[0, 0, 0, 0, 0]]], dtype=torch.uint8)[None]
    scores = OverlapScores(["a", "b", "nowhere"])
    scores.update(prediction, truth)
    assert scores.counts.tolist() == [[1, 1, 1, 1], [3, 1, 0, 1], [0, 0, 0, 5]]  # by hand
    found = scores.compute()
    assert (found["iou/a"], found["iou/b"]) == pytest.approx((1 / 3, 3 / 4))
    assert (found["dice/a"], found["dice/b"]) == pytest.approx((1 / 2, 6 / 7))
    assert math.isnan(found["iou/nowhere"])
    assert found["miou"] == pytest.approx((1 / 3 + 3 / 4) / 2)


def test_thresholds_are_those_that_a_loop_finds_best() -> None:
    random = torch.Generator().manual_seed(1)
    truth = (torch.rand(4, 2, 9, 9, generator=random) < 0.3).to(torch.uint8)
    probability = (0.15 * truth + 0.6 * torch.rand(truth.shape, generator=random)).clamp(0, 1)
    truth[0, :, :3] = IGNORED
    chosen = Thresholds(2)
    for p, t in zip(probability.split(3), truth.split(3), strict=True):
        chosen.update(p, t)
    thresholds, scored = chosen.compute()
    for k in range(2):
        known = truth[:, k] != IGNORED
        p, t = probability[:, k][known], truth[:, k][known] == 1
        each = {}
        for step in range(1, STEPS):
            found = (p * STEPS).long() >= step
            each[step] = ((found & t).sum() / (found | t).sum()).item()
        best = max(each.values())
        assert scored[k].item() == pytest.approx(best, rel=1e-6)
        alike = [step for step, value in each.items() if value == best]
        assert thresholds[k].item() * STEPS == pytest.approx(min(alike, key=lambda step: abs(step - STEPS / 2)))


def test_a_class_that_is_nowhere_keeps_one_half() -> None:
    chosen = Thresholds(2)
    truth = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    probability = torch.full((1, 2, 4, 4), 0.2)
    probability[:, 1, 0, 0] = 0.9
    chosen.update(probability, truth)
    thresholds, scored = chosen.compute()
    assert thresholds.tolist() == [0.5, 0.5]
    assert math.isnan(scored[0])  # it is not found either
    assert scored[1] == 0
