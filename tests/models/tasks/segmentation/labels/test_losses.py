"""Losses of overlapping classes against loops over pixels, and segmentation-models-pytorch's."""

import math

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

from models.tasks.segmentation import losses as exclusive
from models.tasks.segmentation.labels.losses import LOSSES, dice_loss


def drawn() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 3, 5, 6, generator=random)
    member = (torch.rand(logits.shape, generator=random) < 0.4).float()
    known = (torch.rand(logits.shape, generator=random) < 0.8).float()
    return logits, member, known, torch.tensor([1.0, 0.5, 2.0])


def by_pixel(name: str, logits: Tensor, member: Tensor, known: Tensor, weights: Tensor) -> float:
    total = share = 0.0
    for n, k, y, x in known.nonzero().tolist():
        p = 1 / (1 + math.exp(-logits[n, k, y, x].item()))
        right = p if member[n, k, y, x] else 1 - p
        factor = (1 - right) ** 2 if name == "focal" else 1.0
        total -= weights[k].item() * factor * math.log(right)
        share += weights[k].item()
    return total / share


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_pixel_losses(name: str) -> None:
    assert LOSSES[name](*drawn()).item() == pytest.approx(by_pixel(name, *drawn()), rel=1e-5)


def test_tversky_by_its_definition() -> None:
    logits, member, known, weights = drawn()
    each = []
    for k in range(3):
        p, g, seen = logits[:, k].sigmoid(), member[:, k], known[:, k]
        hit = (p * g * seen).sum()
        each.append(1 - hit / (hit + 0.3 * (p * (1 - g) * seen).sum() + 0.7 * ((1 - p) * g * seen).sum()))
    expected = sum(w * e for w, e in zip(weights, each, strict=True)) / weights.sum()
    assert LOSSES["tversky"](logits, member, known, weights).item() == pytest.approx(expected.item(), rel=1e-5)


def test_dice_and_tversky_are_those_of_segmentation_models_pytorch() -> None:
    logits, member, known, _ = drawn()
    everywhere = torch.ones_like(known)
    mode = smp.losses.MULTILABEL_MODE
    ours = dice_loss(logits, member, everywhere).item()
    assert ours == pytest.approx(smp.losses.DiceLoss(mode)(logits, member).item(), rel=1e-5)
    theirs = smp.losses.TverskyLoss(mode, alpha=0.3, beta=0.7)(logits, member).item()
    assert LOSSES["tversky"](logits, member, everywhere, torch.ones(3)).item() == pytest.approx(theirs, rel=1e-5)


def test_tversky_of_exclusive_classes() -> None:
    random = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 3, 5, 6, generator=random), torch.randint(0, 3, (2, 5, 6), generator=random)
    theirs = smp.losses.TverskyLoss(smp.losses.MULTICLASS_MODE, alpha=0.3, beta=0.7)(logits, target).item()
    assert exclusive.tversky(logits, target, torch.ones(3), 255).item() == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("name", [*LOSSES, "dice"])
def test_what_is_ignored_has_no_gradient_and_nothing_known_is_nothing(name: str) -> None:
    logits, member, known, weights = drawn()
    loss = LOSSES.get(name, lambda a, b, c, _: dice_loss(a, b, c))
    logits.requires_grad_()
    loss(logits, member, known, weights).backward()
    assert (logits.grad[known == 0] == 0).all()
    assert (logits.grad[known == 1] != 0).all()
    logits.grad = None
    nothing = loss(logits, member, torch.zeros_like(known), weights)
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad.isfinite().all()
