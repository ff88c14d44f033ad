"""Arithmetic that is counted, against layers whose multiply-adds are worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

import upsample
from benchmarks.training.arithmetic import Arithmetic, StepCounted
from benchmarks.training.turns import built, steps_alone, train


def counted(layer: nn.Module, x: Tensor) -> int:
    with Arithmetic() as counter:
        layer(x).sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("layer", "multiply_adds"),
    [
        # Of output pixels, taps, channels in of a group, channels out, images.
        (nn.Conv2d(6, 4, 3, padding=1), 8 * 10 * 9 * 6 * 4 * 2),
        (nn.Conv2d(6, 4, 3, padding=1, groups=2), 8 * 10 * 9 * 3 * 4 * 2),
        (nn.Conv2d(6, 4, 2, stride=2), 4 * 5 * 4 * 6 * 4 * 2),
        # Of input pixels.
        (nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1), 8 * 10 * 16 * 6 * 4 * 2),
        (nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, groups=2), 8 * 10 * 16 * 3 * 4 * 2),
        (nn.Sequential(nn.Flatten(), nn.Linear(480, 7)), 480 * 7 * 2),
    ],
)
def test_a_layer_costs_its_multiply_adds_forward_and_again_for_each_gradient(
    layer: nn.Module, multiply_adds: int
) -> None:
    x = torch.randn(2, 6, 8, 10)
    assert counted(layer, x) == 2 * 2 * multiply_adds  # the images need no gradient
    assert counted(layer, x.requires_grad_()) == 3 * 2 * multiply_adds


@pytest.mark.parametrize("balanced", [False, True])
def test_a_dilated_layer_in_the_form_in_use_is_counted_as_torchs_own(balanced: bool) -> None:
    """Its form is an autograd function of ours, whose convolutions meet fewer taps beyond the borders."""
    x = torch.randn(2, 4, 64, 64, requires_grad=True)
    own = upsample.build("dilated_deconv", 4, 6, 2, balanced=balanced)
    assert counted(own, x) == pytest.approx(3 * 2 * 64 * 64 * 16 * 4 * 6 * 2, rel=0.1)


def test_a_folded_resize_and_convolution_counts_what_it_does_not_what_it_stands_for() -> None:
    x = torch.randn(2, 16, 64, 64, requires_grad=True)
    done, stands_for = 64 * 64 * 16, 4 * 64 * 64 * 9
    found = counted(upsample.build("resize_conv", 16, 16, 2), x) / (3 * 2 * 16 * 16 * 2)
    assert found == pytest.approx(done, rel=0.1)
    assert found < 0.6 * stands_for


def test_the_first_step_of_a_training_is_counted_and_no_other() -> None:
    counts = StepCounted(), StepCounted()
    for count, steps in zip(counts, (1, 2), strict=True):
        options, task, module = built(
            "encoder.width=4", "encoder.depth=2", "data.crop=64", "data.step=256", "data.batch_size=2"
        )
        train(options | steps_alone(steps), task, module, [count])
    image = torch.zeros(2, 3, 64, 64)
    with Arithmetic() as forward:
        task.network(image)
    assert counts[0].operations == counts[1].operations
    # Three times the network's, but for the first layer's gradient to the image.
    assert 2.5 * forward.get_total_flops() < counts[0].operations < 3 * forward.get_total_flops()
