"""How masks become planes, what a table from colour scores, and which labels data can have."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from data.loading.loaded import LabelledImages
from models.tasks.segmentation.labels import chosen
from models.tasks.segmentation.labels.overlapping import Overlapping

INFO = LabelledImages("two", (0.5,) * 3, (0.3,) * 3, ["ground", "house"], [(0, 0, 0), (9, 9, 9)], [1.0, 3.0])


def test_exclusive_masks_become_a_plane_for_each_class_or_for_the_foreground() -> None:
    mask = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    both, one = chosen("overlapping", INFO, "cross_entropy", 0.0), chosen("binary", INFO, "cross_entropy", 0.0)
    assert both.truth(mask).tolist() == [[[[1, 0, 255]], [[0, 1, 255]]]]
    assert one.truth(mask).tolist() == [[[[0, 1, 255]]]]
    assert one.names == ["house"]
    logits = torch.tensor([[[[-2.0, 0.1, 3.0]]]])
    assert one.decide(logits).tolist() == [[[[0, 1, 1]]]]
    one.thresholds.fill_(0.9)  # a logit of 2.2
    assert one.decide(logits).tolist() == [[[[0, 0, 1]]]]
    assert one.loss(logits, one.truth(mask), torch.tensor([1.0, 3.0])).item() == pytest.approx(
        (torch.tensor(-2.0).exp().log1p() + torch.tensor(-0.1).exp().log1p()).item() / 2
    )


@pytest.mark.parametrize(
    ("wish", "changes", "loss", "sentence"),
    [
        ("exclusive", {"overlapping": True}, "focal", "the masks of two may overlap"),
        ("binary", {"overlapping": True}, "focal", "but two has 2 classes"),
        ("binary", {"classes": ["a", "b", "c"], "class_weights": [1.0] * 3}, "focal", "but two has 3 classes"),
        ("overlapping", {}, "lovasz", "choose from cross_entropy, focal, tversky"),
    ],
)
def test_what_does_not_fit_is_refused(wish: Any, changes: dict[str, Any], loss: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        chosen(wish, replace(INFO, **changes), loss, 0.0)


def test_the_table_takes_the_colours_that_score_best_in_training() -> None:
    """Three colours of which 9, 4 and 1 of 10 pixels are of the class: the first alone 9/15, two 13/21, all 14/30."""
    shares = {0: 9, 100: 4, 200: 1}
    image = torch.zeros(1, 3, 3, 10, dtype=torch.uint8)
    mask = torch.zeros(1, 3, 10, dtype=torch.uint8)
    for row, (level, count) in enumerate(shares.items()):
        image[0, :, row] = level
        mask[0, row, :count] = 1
    labels = chosen("binary", INFO, "cross_entropy", 0.0)
    assert isinstance(labels, Overlapping)
    counts = labels.counts([{"image": image, "mask": mask}], lambda x: x, 3)
    assert counts.sum() == 30
    assert labels.table_score(counts, counts) == pytest.approx(13 / 21)
    other = labels.counts([{"image": image, "mask": (image[:, 0] == 200).to(torch.uint8)}], lambda x: x, 3)
    assert labels.table_score(counts, other) == 0  # the colours chosen are those of training
