"""Swapping layers: shapes and alignment of every setting, exact where it can be, the optimum where it cannot."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.algebra.fold import fold
from upsample.models.swap import InPlaceOf, swap

SETTINGS = [
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 4, "stride": 2, "padding": 1},
    {"kernel_size": 4, "stride": 2},  # output larger than stride times the input
    {"kernel_size": 3, "stride": 2, "padding": 1},  # smaller
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},  # half a pixel off centre
    {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 2},
    {"kernel_size": 1, "stride": 2, "bias": False},
    {"kernel_size": (3, 4), "stride": 2, "padding": (0, 1)},
    {"kernel_size": 5, "stride": 3, "padding": 2, "output_padding": 2},
]


def replaced(old: nn.ConvTranspose2d, name: str, **options: object) -> tuple[nn.Module, float]:
    model = nn.Sequential(old)
    (done,) = swap(model, partial(upsample.build, name, **options))
    assert done.error is not None
    return model, done.error


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", ["deconv", "resize_conv", "bilinear", "learned_interpolation"])
def test_every_output_keeps_its_shape(setting: dict, name: str) -> None:
    old = nn.ConvTranspose2d(4, 6, **setting)
    model = nn.Sequential(old)
    swap(model, partial(upsample.build, name), initialise="fresh")
    for size in [(1, 1), (5, 8)]:
        x = torch.randn(2, 4, *size)
        assert model(x).shape == old(x).shape


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("name", "options"), [("deconv", {"kernel_size": 8}), ("pixel_shuffle", {}), ("dilated_deconv", {"kernel_size": 4})]
)
def test_exact_where_the_old_taps_are_among_the_new(setting: dict, name: str, options: dict) -> None:
    old = nn.ConvTranspose2d(4, 6, **setting)
    if name == "deconv" and old.stride[0] == 3:
        options = {"kernel_size": 9}
    if name == "dilated_deconv":  # the taps of a dilated kernel hold no others: only itself
        old = nn.ConvTranspose2d(4, 6, 4, stride=2, dilation=3, padding=4, groups=setting.get("groups", 1))
    x = torch.randn(2, 4, 5, 7)
    expected = old(x)
    model, error = replaced(old, name, **options)
    assert error < 1e-12
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)  # the border too


def test_a_folded_resize_conv_turns_back_into_one() -> None:
    conv = nn.Conv2d(3, 5, 3, padding=1)
    model, error = replaced(fold(conv, 2), "resize_conv")
    assert error < 1e-6  # float32 folding
    torch.testing.assert_close(model[0].upsample.conv.weight, conv.weight)
    torch.testing.assert_close(model[0].upsample.conv.bias, conv.bias)


@pytest.mark.parametrize(("name", "options"), [("resize_conv", {}), ("resize_conv", {"mode": "bilinear"}), ("fir", {})])
def test_least_squares_is_the_optimum(name: str, options: dict) -> None:
    """Against the gradient: at the optimum over all kernels, none moves the impulse responses closer."""
    old = nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1).double()
    model, _ = replaced(old, name, **options)
    impulses = torch.zeros(3, 3, 15, 15, dtype=torch.float64)
    impulses[range(3), range(3), 7, 7] = 1
    distance = (model(impulses) - old(impulses)).square().sum()
    weight = next(p for p in model.parameters() if p.dim() == 4)
    (gradient,) = torch.autograd.grad(distance, weight)
    assert distance > 1e-3
    assert gradient.abs().max() < 1e-9


def test_a_separable_layer_reaches_the_best_of_its_rank() -> None:
    """Depthwise times pointwise is, for each input channel, the rank-1 part of (out, taps): the SVD has the optimum."""
    torch.manual_seed(0)
    old = nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1, bias=False).double()
    singular = torch.linalg.svdvals(old.weight.detach().flatten(2))  # (in, rank)
    best = (1 - singular[:, 0].square().sum() / singular.square().sum()).sqrt().item()
    model, _ = replaced(old, "separable_deconv", bias=False)
    impulses = torch.zeros(3, 3, 15, 15, dtype=torch.float64)
    impulses[range(3), range(3), 7, 7] = 1
    error = ((model(impulses) - old(impulses)).norm() / old(impulses).norm()).item()
    assert best * 0.999 < error < best * 1.05


@pytest.mark.parametrize(("name", "options"), [("dysample", {"groups": 2}), ("carafe", {}), ("bilinear_additive", {})])
def test_other_operators_come_closer_than_fresh_ones(name: str, options: dict) -> None:
    torch.manual_seed(0)
    smooth = torch.outer(*[torch.tensor([0.25, 0.75, 0.75, 0.25])] * 2)
    error = {}
    for initialise in ("match", "fresh"):
        old = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        with torch.no_grad():
            old.weight.copy_(torch.randn(8, 6, 1, 1) * smooth)
        (done,) = swap(nn.Sequential(old), partial(upsample.build, name, **options), initialise)
        error[initialise] = done.error
    assert error["match"] < 0.95 * error["fresh"]


class Net(nn.Module):
    """The same layer under three names, one nested, and its output size given by the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)
        self.levels = nn.ModuleList([nn.Sequential(nn.ReLU(), self.up), self.up])
        self.same = nn.ConvTranspose2d(4, 4, 3, padding=1)
        self.flat = nn.ConvTranspose2d(4, 4, (1, 2), stride=(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        for level in self.levels:
            x = level(x)
        return self.flat(self.same(self.up(x, output_size=(2 * x.shape[2], 2 * x.shape[3]))))


def test_shared_layers_stay_shared_and_others_are_left() -> None:
    model = Net()
    x = torch.randn(1, 4, 3, 5)
    before = model(x)
    done = swap(model, partial(upsample.build, "pixel_shuffle"))
    assert [(d.names, d.kept) for d in done] == [
        (("up", "levels.0.1", "levels.1"), ""),
        (("flat",), "its strides differ: 1 down, 2 across"),
    ]
    assert isinstance(model.up, InPlaceOf)
    assert model.up is model.levels[0][1] is model.levels[1]
    assert isinstance(model.same, nn.ConvTranspose2d)
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-5)  # and output_size still works


def test_dtype_mode_and_requires_grad_pass_on() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, 1)).to(torch.bfloat16).eval().requires_grad_(False)
    swap(model, partial(upsample.build, "resize_conv"))
    assert not any(m.training for m in model.modules())
    assert {(p.dtype, p.requires_grad) for p in model.parameters()} == {(torch.bfloat16, False)}


def test_a_trained_network_keeps_its_score() -> None:
    """A net trained to enlarge smooth images, by a layer that a resize_conv can nearly but not quite copy."""
    torch.manual_seed(0)
    small = F.avg_pool2d(torch.randn(16, 1, 20, 20), 5, stride=1)
    large = F.interpolate(small, scale_factor=2, mode="bicubic")

    def build() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1))

    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        F.mse_loss(model(small), large).backward()
        optimizer.step()
    loss = {}
    for initialise in ("match", "fresh"):
        copy = build()
        copy.load_state_dict(model.state_dict())
        swap(copy, partial(upsample.build, "resize_conv"), initialise)
        loss[initialise] = F.mse_loss(copy(small), large).item() / large.var().item()
    assert loss["match"] < 0.05  # of the variance explained away, most is kept
    assert loss["fresh"] > 10 * loss["match"]


def test_refusals() -> None:
    build = partial(upsample.build, "resize_conv")
    with pytest.raises(ValueError, match="must be match or fresh, not 'zeros'"):
        swap(nn.Sequential(), build, "zeros")
    with pytest.raises(ValueError, match=r"put it in nn\.Sequential"):
        swap(nn.ConvTranspose2d(1, 1, 2, 2), build)
    model = nn.Sequential(nn.ConvTranspose2d(4, 4, 2, 2), nn.ConvTranspose2d(4, 3, 2, 2))
    with pytest.raises(ValueError, match="sapa needs the encoder's skip"):
        swap(model, partial(upsample.build, "sapa"))
    with pytest.raises(ValueError, match="dysample"):
        swap(model, partial(upsample.build, "dysample"))  # the first could be, the second not
    assert all(isinstance(layer, nn.ConvTranspose2d) for layer in model)
