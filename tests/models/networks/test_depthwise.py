"""Depthwise convolutions with fast gradients: those of torch's own layers, for every kernel, stride and padding."""

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("timm", reason="needs the extra timm")
from timm.layers import Conv2dSame, pad_same

from models.networks.depthwise import Depthwise, blocks, with_fast_gradients

KINDS = [(nn.Conv2d, kernel, stride) for kernel in (1, 2, 3, 4, 5, 7, (3, 5), (9, 1)) for stride in (1, 2, 3, (1, 2))]


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Of a weighted sum of the layer's bfloat16 output: to the input and to each parameter, in float32."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    weights = torch.linspace(-1, 1, y.numel()).sin().view_as(y)
    return list(torch.autograd.grad((y.float() * weights).sum(), [x, *layer.parameters()]))


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kind", "kernel", "stride"), KINDS)
def test_gradients_are_those_of_torch(kind: type[nn.Conv2d], kernel: int, stride: int, bias: bool, same: bool) -> None:
    torch.manual_seed(0)
    if same:
        kind, padding = Conv2dSame, 0
    else:
        padding = tuple(k // 2 for k in nn.Conv2d(1, 1, kernel).kernel_size)
    plain = kind(6, 6, kernel, stride, padding, groups=6, bias=bias)
    fast = Depthwise(copy.deepcopy(plain), pad_same if same else None)
    for height, width in ((12, 17), (9, 10)):
        x = torch.randn(3, 6, height, width)
        for one, other in zip(gradients(fast, x), gradients(plain, x), strict=True):
            assert (one - other).norm() <= 1e-2 * other.norm()  # what bfloat16's eight bits err by


def test_double_backward_is_torchs() -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(4, 4, 5, 2, 2, groups=4)
    twice = []
    for layer in (plain, Depthwise(copy.deepcopy(plain))):
        x = torch.randn(2, 4, 11, 11, generator=torch.Generator().manual_seed(1)).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        (first,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
        twice.append(torch.autograd.grad(first.square().sum(), [x, layer.weight]))
    for one, other in zip(*twice, strict=True):
        assert (one - other).norm() <= 1e-2 * other.norm()


@pytest.mark.parametrize(("kernel", "stride"), [*itertools.product(range(1, 12), range(1, 5))])
def test_blocks_cover_every_tap_of_each_phase(kernel: int, stride: int) -> None:
    found = [range(kernel)[block] for block in blocks(kernel, stride)]
    assert {tap for taps in found for tap in taps} == set(range(kernel))
    assert all(1 <= len(taps) <= 3 for taps in found)


def test_only_what_it_can_stand_for_is_replaced_and_the_weights_keep_their_names() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 3, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"),
        nn.Conv2d(4, 8, 3, groups=4),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(1, 1, 3),
        nn.Conv2d(4, 4, 1, padding=2, groups=4),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
    )
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with_fast_gradients(network)
    assert [isinstance(module, Depthwise) for module in network] == [True, *[False] * 7]
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
