from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from models.tasks.segmentation.losses import LOSSES, cross_entropy, dice_loss, focal, lovasz, ohem

ONES = torch.ones(2)


def case() -> tuple[torch.Tensor, torch.Tensor]:
    """Three pixels of probabilities (.8, .2), (.4, .6), (.5, .5) and labels 0, 1, ignored."""
    probability = torch.tensor([[0.8, 0.4, 0.5], [0.2, 0.6, 0.5]]).view(1, 2, 1, 3)
    return probability.log(), torch.tensor([[[0, 1, 255]]])


def test_dice_of_a_hand_computed_case() -> None:
    # Class 0: p = .8, .4, truth 1, 0: 2*.8 / (1.2 + 1); class 1: p = .2, .6, truth 0, 1: 2*.6 / (.8 + 1).
    expected = ((1 - 1.6 / 2.2) + (1 - 1.2 / 1.8)) / 2
    assert dice_loss(*case(), 255).item() == pytest.approx(expected, abs=1e-6)


def test_only_classes_in_the_batch_count_for_dice() -> None:
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 50
    assert dice_loss(logits, torch.zeros(1, 2, 2, dtype=torch.long), 255).item() == pytest.approx(0, abs=1e-6)


def test_cross_entropy_is_torchs() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    target[0, 0] = 255
    weights = torch.tensor([1.0, 2.0, 0.5])
    expected = F.cross_entropy(logits, target, weights, ignore_index=255)
    assert cross_entropy(logits, target, weights, 255).item() == pytest.approx(expected.item(), rel=1e-6)


def test_focal_of_a_hand_computed_case() -> None:
    p = torch.tensor([0.8, 0.6])
    expected = -((1 - p) ** 2 * p.log()).mean()
    assert focal(*case(), ONES, 255).item() == pytest.approx(expected.item(), rel=1e-5)
    assert focal(*case(), ONES, 255, gamma=0).item() == pytest.approx(-p.log().mean().item(), rel=1e-5)


def test_ohem_is_the_mean_of_the_hardest() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 2, 5, 4), torch.randint(0, 2, (2, 5, 4))
    target[0, 0] = 255  # 4 of 40 pixels
    each = F.cross_entropy(logits, target, reduction="none", ignore_index=255)[target != 255].sort().values
    assert ohem(logits, target, ONES, 255).item() == pytest.approx(each[-10:].mean().item(), rel=1e-5)


def test_lovasz_is_the_lovasz_extension_of_the_jaccard_loss() -> None:
    """By its definition: the extension is the largest value, over all orders of the pixels, of the sum of
    errors times growths of the loss (the Jaccard loss is submodular, so sorting attains it)."""
    torch.manual_seed(3)
    logits, target = torch.randn(1, 2, 1, 5), torch.tensor([[[0, 0, 1, 1, 1]]])
    probability = logits.softmax(1)[0, :, 0]
    total = 0.0
    for k in (0, 1):
        member = (target[0, 0] == k).float()
        errors = (member - probability[k]).abs()

        def jaccard(mistakes: list[int], member: torch.Tensor = member) -> float:
            missed = sum(member[i].item() for i in mistakes)
            invented = len(mistakes) - missed
            return 1 - (member.sum().item() - missed) / (member.sum().item() + invented)

        total += max(
            sum(errors[i].item() * (jaccard([*order[: n + 1]]) - jaccard([*order[:n]])) for n, i in enumerate(order))
            for order in permutations(range(5))
        )
    assert lovasz(logits, target, ONES, 255).item() == pytest.approx(total / 2, rel=1e-5)


def test_lovasz_of_hard_predictions_is_one_minus_iou() -> None:
    truth = torch.tensor([[[0, 0, 0, 1, 1, 255]]])
    predicted = torch.tensor([0, 0, 1, 1, 0, 1])
    logits = 50 * F.one_hot(predicted, 2).T.float().view(1, 2, 1, 6)
    assert lovasz(logits, truth, ONES, 255).item() == pytest.approx(((1 - 2 / 4) + (1 - 1 / 3)) / 2, abs=1e-6)


@pytest.mark.parametrize("name", [*LOSSES, "dice"])
def test_a_batch_of_ignored_pixels_costs_nothing_and_has_finite_gradients(name: str) -> None:
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    target = torch.full((1, 2, 2), 255)
    loss = dice_loss(logits, target, 255) if name == "dice" else LOSSES[name](logits, target, ONES, 255)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(name: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 6, 6, requires_grad=True)
    target = torch.randint(0, 2, (2, 6, 6))
    loss = LOSSES[name](logits, target, ONES, 255)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert LOSSES[name](logits - 0.1 * gradient / gradient.abs().max(), target, ONES, 255) < loss
