"""Losses against hand-computed values; penalties against slopes known in closed form and by finite differences."""

import math

import pytest
import torch
from torch import Tensor, nn

from models.tasks.generation.losses import LOSSES, gradient_penalty, r1

REAL, FAKE = torch.tensor([[2.0], [-0.5]]), torch.tensor([[-3.0], [0.25]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        (
            "bce",
            -(math.log(sigmoid(2)) + math.log(sigmoid(-0.5))) / 2
            - (math.log(1 - sigmoid(-3)) + math.log(1 - sigmoid(0.25))) / 2,
            -(math.log(sigmoid(-3)) + math.log(sigmoid(0.25))) / 2,
        ),
        ("hinge", (0 + 1.5) / 2 + (0 + 1.25) / 2, (3 - 0.25) / 2),
        ("wgan_gp", (-3 + 0.25) / 2 - (2 - 0.5) / 2, (3 - 0.25) / 2),
    ],
)
def test_losses_by_hand(name: str, discriminator: float, generator: float) -> None:
    of_discriminator, of_generator = LOSSES[name]
    assert of_discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert of_generator(FAKE).item() == pytest.approx(generator, rel=1e-6)


def test_non_saturating_generator_still_learns_where_the_discriminator_is_sure() -> None:
    score = torch.tensor([-30.0], requires_grad=True)
    LOSSES["bce"][1](score).backward()
    assert score.grad is not None
    assert score.grad.item() == pytest.approx(-1)


class Quadratic(nn.Module):
    """a * |x|**2 / 2 + b . x, whose slope at x is a * x + b."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.7))
        self.b = nn.Parameter(torch.linspace(-1, 1, 8).view(2, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * x.square() / 2 + self.b * x).sum((1, 2, 3))


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 2, 2, generator=generator), torch.randn(3, 2, 2, 2, generator=generator)


def test_gradient_penalty_of_a_known_slope() -> None:
    real, fake = pair()
    network, share = Quadratic(), torch.tensor([0.0, 0.25, 1.0]).view(3, 1, 1, 1)
    mixed = [fake[0], 0.25 * real[1] + 0.75 * fake[1], real[2]]
    norms = [math.sqrt(float((0.7 * x + network.b.detach()).square().sum())) for x in mixed]
    expected = sum((norm - 1) ** 2 for norm in norms) / 3
    assert gradient_penalty(network, real, fake, share).item() == pytest.approx(expected, rel=1e-5)


def test_r1_of_a_known_slope_and_its_gradient() -> None:
    real, _ = pair()
    network = Quadratic()
    slope = 0.7 * real + network.b.detach()
    value = r1(network, real)
    assert value.item() == pytest.approx(slope.square().sum().item() / 3 / 2, rel=1e-5)
    value.backward()
    assert network.b.grad is not None
    assert network.a.grad is not None
    # d/db of mean |a x + b|**2 / 2 is the mean of a x + b; d/da is the mean of (a x + b) . x.
    assert torch.allclose(network.b.grad, slope.mean(0), atol=1e-6)
    assert network.a.grad.item() == pytest.approx((slope * real).sum().item() / 3, rel=1e-5)


@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1"])
def test_penalties_of_a_network_by_finite_differences(penalty: str) -> None:
    """Both the penalty and what it teaches the weights, from scores alone."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 2), nn.Softplus(), nn.Flatten(), nn.Linear(4, 1)).double()
    real, fake = (x.double() for x in pair())
    share = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64).view(3, 1, 1, 1)
    at = share * real + (1 - share) * fake if penalty == "gradient_penalty" else real

    def slope_by_differences(image: Tensor, step: float = 1e-5) -> Tensor:
        nudges = step * torch.eye(image.numel(), dtype=torch.float64).view(-1, *image.shape)
        with torch.no_grad():
            return ((network(image + nudges) - network(image - nudges)) / (2 * step)).flatten()

    def by_differences() -> float:
        norms = torch.stack([slope_by_differences(image).norm() for image in at])
        return ((norms - 1).square().mean() if penalty == "gradient_penalty" else norms.square().mean() / 2).item()

    def value() -> Tensor:
        # In float32, as in training: torch.autograd needs no more, the differences do.
        single = nn.Sequential(*network).float()
        result = gradient_penalty(single, real, fake, share) if penalty == "gradient_penalty" else r1(single, real)
        return result

    expected = by_differences()
    weight = network[0].weight
    with torch.no_grad():
        weight[0, 0, 0, 0] += 1e-4
        above = by_differences()
        weight[0, 0, 0, 0] -= 2e-4
        below = by_differences()
        weight[0, 0, 0, 0] += 1e-4
    result = value()
    result.backward()
    assert result.item() == pytest.approx(expected, rel=1e-4)
    assert network[0].weight.grad[0, 0, 0, 0].item() == pytest.approx((above - below) / 2e-4, rel=1e-3)
