import pytest
import torch

from models.tasks.losses import dice_loss


def test_dice_of_a_hand_computed_case() -> None:
    # Two pixels kept, one ignored. Class 0: p = .8, .4, truth 1, 0: 2*.8 / (1.2 + 1); class 1: 2*.6 / (.8 + 1).
    probability = torch.tensor([[0.8, 0.4, 0.5], [0.2, 0.6, 0.5]]).view(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 255]]])
    expected = ((1 - 1.6 / 2.2) + (1 - 1.2 / 1.8)) / 2
    assert dice_loss(probability.log(), target, 255).item() == pytest.approx(expected, abs=1e-6)


def test_only_classes_in_the_batch_count() -> None:
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 50
    assert dice_loss(logits, torch.zeros(1, 2, 2, dtype=torch.long), 255).item() == pytest.approx(0, abs=1e-6)


def test_a_batch_of_ignored_pixels_costs_nothing_and_has_finite_gradients() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = dice_loss(logits, torch.full((1, 2, 2), 255), 255)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
