import math

import pytest
import torch

from models.tasks.segmentation.scores import SegmentationScores, boundary, iou


def test_miou_of_a_hand_computed_case_with_an_absent_class_and_ignored_pixels() -> None:
    # Counted by hand, without the two ignored pixels (7):
    # a: 3 in both, 1 only predicted, 1 only true -> 3/5; b: 1 in both, 1 only predicted, 1 only true -> 1/3;
    # c: in neither -> absent.
    truth = torch.tensor([[[0, 0, 0, 0], [1, 1, 7, 7]]])
    prediction = torch.tensor([[[0, 0, 0, 1], [1, 0, 2, 1]]])
    scores = SegmentationScores(["a", "b", "c"], ignore_index=7)
    scores.update(prediction, truth)
    result = scores.compute()
    assert result["iou/a"] == pytest.approx(3 / 5)
    assert result["iou/b"] == pytest.approx(1 / 3)
    assert math.isnan(result["iou/c"])
    assert result["miou"] == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert result["pixel_accuracy"] == pytest.approx(4 / 6)


def test_a_class_predicted_but_never_true_counts_as_zero() -> None:
    scores = SegmentationScores(["a", "b"], ignore_index=255)
    scores.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]))
    assert scores.compute()["iou/b"] == 0


def test_scores_are_of_the_data_set_not_the_mean_of_batches() -> None:
    torch.manual_seed(0)
    prediction, truth = torch.randint(0, 3, (6, 16, 16)), torch.randint(0, 3, (6, 16, 16))
    truth[0] = 0  # a batch without two of the classes, where a mean of batches would go wrong
    whole, parts = (SegmentationScores(["a", "b", "c"], 255) for _ in range(2))
    whole.update(prediction, truth)
    for i in (0, 1):
        parts.update(prediction[i : i + 1], truth[i : i + 1])
    parts.update(prediction[2:], truth[2:])
    assert parts.compute() == whole.compute()


def test_iou_of_a_matrix() -> None:
    assert iou(torch.tensor([[4, 1], [2, 3]])).tolist() == pytest.approx([4 / 7, 3 / 6])


def literal_boundary(member: list[list[bool]], width: int) -> list[list[bool]]:
    """Pixels of a mask that erosion by a (2*width+1)-square removes; beyond the border is outside."""
    rows, columns = len(member), len(member[0])

    def inside(i: int, j: int) -> bool:
        return 0 <= i < rows and 0 <= j < columns and member[i][j]

    reach = range(-width, width + 1)
    return [
        [member[i][j] and not all(inside(i + a, j + b) for a in reach for b in reach) for j in range(columns)]
        for i in range(rows)
    ]


def test_boundary_and_its_iou_against_a_literal_erosion() -> None:
    torch.manual_seed(1)
    coarse = torch.rand(2, 1, 6, 6)
    truth = torch.nn.functional.interpolate(coarse, size=(40, 50), mode="bicubic")[:, 0].gt(0.5).long()
    prediction = truth.roll(2, dims=2)
    truth[0, :10] = 255
    width = max(1, round(0.02 * math.hypot(40, 50)))
    hits, union = [0, 0], [0, 0]
    for n in range(2):
        for k in range(2):
            kept = truth[n] != 255
            real = torch.tensor(literal_boundary(((truth[n] == k) & kept).tolist(), width))
            seen = torch.tensor(literal_boundary(((prediction[n] == k) & kept).tolist(), width))
            assert torch.equal(boundary((truth == k) & (truth != 255), width)[n], real)
            hits[k] += int((real & seen).sum())
            union[k] += int((real | seen).sum())
    scores = SegmentationScores(["a", "b"], 255)
    scores.update(prediction, truth)
    assert scores.compute()["boundary_iou"] == pytest.approx(sum(h / u for h, u in zip(hits, union, strict=True)) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_of_two_classes_dice_and_iou_of_the_foreground_are_those_of_segmentation_models_pytorch(seed: int) -> None:
    """Two logits decide as one logit, their difference, at the threshold 0 does; counts are of the whole data set."""
    import segmentation_models_pytorch as smp

    generator = torch.Generator().manual_seed(seed)
    scores = SegmentationScores(["background", "object"], 255)
    stats = []
    for size in (17, 30, 5):
        logits = torch.randn(2, 2, size, size, generator=generator)
        target = (torch.rand(2, size, size, generator=generator) < 0.2).long()
        scores.update(logits.argmax(1), target)
        margin = logits[:, 1:] - logits[:, :1]
        stats.append(smp.metrics.get_stats(margin.sigmoid(), target[:, None], mode="binary", threshold=0.5))
    summed = [torch.cat(each).sum(0, keepdim=True) for each in zip(*stats, strict=True)]
    measured = scores.compute()
    assert measured["dice"] == pytest.approx(smp.metrics.f1_score(*summed, reduction="micro").item())
    assert measured["iou/object"] == pytest.approx(smp.metrics.iou_score(*summed, reduction="micro").item())


def test_dice_is_of_two_classes_alone_and_absent_where_the_foreground_is() -> None:
    nothing = torch.zeros(1, 4, 4, dtype=torch.long)
    two, three = SegmentationScores(["a", "b"], 255), SegmentationScores(["a", "b", "c"], 255)
    for scores in (two, three):
        scores.update(nothing, nothing)
    assert math.isnan(two.compute()["dice"])
    assert "dice" not in three.compute()
