import pytest
import torch

from models.tasks.segmentation.baseline import code_counts, codes_of, lookup_miou


def test_a_code_holds_the_four_highest_bits_of_each_channel() -> None:
    assert codes_of(torch.tensor([0xAB, 0x1F, 0xC0], dtype=torch.uint8).view(1, 3, 1, 1)).item() == 0xA1C


def test_counts_leave_out_labels_beyond_the_classes() -> None:
    image = torch.zeros(1, 3, 1, 3, dtype=torch.uint8)
    batch = {"image": image, "mask": torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)}
    counts = code_counts([batch], 2, lambda x: x, 3)
    assert counts[0].tolist() == [1, 1]
    assert counts.sum() == 2


def test_colours_that_tell_the_classes_apart_score_one() -> None:
    counts = torch.tensor([[90, 0], [0, 10]])
    assert lookup_miou(counts, counts) == pytest.approx(1)


def test_a_rare_class_is_worth_more_to_miou_than_to_accuracy() -> None:
    # The majority would call both colours 0 (mIoU 0.49 on these counts); calling the second 1 scores
    # 900 / 1015 and 10 / 25 instead.
    counts = torch.tensor([[900, 0], [15, 10]])
    assert lookup_miou(counts, counts) == pytest.approx((900 / 915 + 10 / 25) / 2)
