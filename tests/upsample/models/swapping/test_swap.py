"""Swapping layers: shapes and alignment of every setting, exact where it can be, the optimum where it cannot."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upsample
from upsample.algebra.fold import fold
from upsample.models.swapping.least_squares import relative_error
from upsample.models.swapping.swap import InPlaceOf, swap

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
    ("name", "options"),
    [
        ("deconv", {"kernel_size": 8, "balanced": False}),
        ("pixel_shuffle", {}),
        ("dilated_deconv", {"kernel_size": 4, "balanced": False}),
    ],
)
def test_exact_where_the_old_taps_are_among_the_new(setting: dict, name: str, options: dict) -> None:
    old = nn.ConvTranspose2d(4, 6, **setting)
    if name == "deconv" and old.stride[0] == 3:
        options = {"kernel_size": 9, "balanced": False}
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
        model = nn.Sequential(old)
        swap(model, partial(upsample.build, name, **options), initialise)
        error[initialise] = relative_error(model, old, 8, 2)
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
    done = swap(model, partial(upsample.build, "deconv", kernel_size=4, balanced=False))
    assert [(d.names, d.kept) for d in done] == [
        (("up", "levels.0.1", "levels.1"), ""),
        (("flat",), ""),
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


LAYERS = [
    nn.ConvTranspose1d(3, 4, 4, stride=2, padding=1),
    nn.ConvTranspose1d(4, 4, 5, stride=3, groups=2),
    nn.ConvTranspose2d(3, 4, (1, 2), stride=(1, 2)),
    nn.ConvTranspose2d(3, 4, (4, 6), stride=(2, 3), padding=(1, 1)),
    nn.ConvTranspose3d(3, 4, 2, stride=2),
    nn.ConvTranspose3d(3, 4, (1, 2, 2), stride=(1, 2, 2)),
]


@pytest.mark.parametrize("old", LAYERS)
@pytest.mark.parametrize("name", ["resize_conv", "deconv", "nearest"])
def test_any_number_of_axes_and_unequal_strides(old: nn.Module, name: str) -> None:
    model = nn.Sequential(copy.deepcopy(old))
    (done,) = swap(model, partial(upsample.build, name, **({"balanced": False} if name == "deconv" else {})))
    axes = len(old.stride)
    for size in ([1] * axes, [5, 4, 6][:axes]):
        x = torch.randn(2, old.in_channels, *size)
        assert model(x).shape == old(x).shape
    x = torch.randn(4, old.in_channels, *[7] * axes)
    found = ((model(x) - old(x)).norm() / old(x).norm()).item()
    assert done.error == pytest.approx(found, rel=0.5, abs=1e-6)
    if name == "deconv":
        assert done.error < 1e-10


OWN = ["deconv", "dilated_deconv", "separable_deconv", "fir", "smooth_deconv"]


class Decoder(nn.Module):
    """Calls its operators as this project's networks do."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.up = upsample.build(name, 3, 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x, None, None)


@pytest.mark.parametrize("name", OWN)
def test_an_operator_is_replaced_whole(name: str) -> None:
    model = Decoder(name)
    x = torch.randn(2, 3, 9, 7)
    before = model(x)
    (done,) = swap(model, partial(upsample.build, "deconv", kernel_size=12, balanced=False))
    assert done.names == ("up",)
    assert isinstance(model.up, upsample.operators.deconv.TransposedConv)
    if name != "dilated_deconv":  # whose taps no dense kernel of 12 holds all
        assert done.error is not None
        assert done.error < 0.05  # away from the border, where fir filters zeros, it is the same
        torch.testing.assert_close(model(x)[..., 4:-4, 4:-4], before[..., 4:-4, 4:-4], rtol=1e-4, atol=1e-5)
    assert model(x).shape == before.shape
    with pytest.raises(ValueError, match="this model is the layer itself"):
        swap(model.up, "nearest")


class Own(nn.ConvTranspose2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


class Uncalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 3, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.up.weight, stride=2)


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda module, given, y: y * 2)
    return layer


def partly_frozen(layer: nn.ConvTranspose2d) -> nn.Module:
    layer.weight.requires_grad_(False)
    return layer


def tied() -> nn.Module:
    up, down = nn.ConvTranspose2d(3, 3, 2, 2), nn.Conv2d(3, 3, 2, 2)
    down.weight = up.weight
    return nn.Sequential(down, up)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Own(3, 3, 2, 2), "it has a forward or hooks of its own"),
        (lambda: hooked(nn.ConvTranspose2d(3, 3, 2, 2)), "it has a forward or hooks of its own"),
        (lambda: tied(), "it shares its weights with another layer"),
        (lambda: nn.LazyConvTranspose2d(3, 2, 2), "it has no weights yet: run the model once on an input"),
        (lambda: nn.ConvTranspose2d(3, 3, 2, 2, device="meta"), "its weights are on the meta device"),
        (lambda: nn.ConvTranspose2d(3, 3, 2, 2, dtype=torch.complex64), "its weights are complex"),
        (lambda: partly_frozen(nn.ConvTranspose2d(3, 3, 2, 2)), "it is partly frozen"),
        (lambda: Uncalled(), "its weights are used without calling it"),
        (lambda: hooked(upsample.build("deconv", 3, 3, 2)), "it has hooks"),
    ],
)
def test_what_cannot_be_replaced_is_kept_with_the_reason(make: Any, reason: str) -> None:
    model = nn.Sequential(make())
    modules = [*model.modules()]
    (done,) = swap(model, "nearest")
    assert done.error is None
    assert done.kept.startswith(reason)
    assert [*model.modules()] == modules


def test_parametrised_layers_are_replaced_by_what_they_do() -> None:
    layer = parametrizations.weight_norm(nn.ConvTranspose2d(3, 3, 4, 2, 1))
    x = torch.randn(1, 3, 5, 5)
    expected = layer(x)
    model, error = replaced(layer, "deconv", balanced=False)
    assert error < 1e-6  # the parametrisation computes in float32
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)


def test_by_its_name_a_transposed_convolution_comes_balanced_and_the_error_is_told() -> None:
    old = nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)
    model = nn.Sequential(old)
    (done,) = swap(model, "deconv")
    assert upsample.phase_imbalance(model[0], 3) < 1e-6
    x = torch.randn(4, 3, 30, 30)
    found = ((model(x) - old(x)).norm() / old(x).norm()).item()
    assert found > 0.1
    assert done.error == pytest.approx(found, rel=0.2)


def test_an_operator_of_images_is_refused_for_volumes() -> None:
    with pytest.raises(ValueError, match=r"carafe: scale must be an integer of at least 2 alone: it is an operator of"):
        swap(nn.Sequential(nn.ConvTranspose3d(2, 2, 2, 2)), "carafe")
