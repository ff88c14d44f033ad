"""Interpolations replaced where a forward calls them: which, by what, and that nothing else changes."""

import copy
import pickle
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import interpolate

import upsample
from upsample.models.swapping.interpolations import Enlarge
from upsample.models.swapping.swap import swap


class Pyramid(nn.Module):
    """Three maps to the size of the finest, in one loop; the last is there already."""

    def __init__(self, mode: str = "bilinear") -> None:
        super().__init__()
        self.mode = mode
        self.strides = nn.ModuleList(nn.Conv2d(3, 4, 3, stride=s, padding=1) for s in (4, 2, 1))

    def forward(self, x: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        size = size or x.shape[-2:]
        maps = [F.interpolate(conv(x), size=size, mode=self.mode) for conv in self.strides]
        return torch.cat(maps, 1)


class Decoder(nn.Module):
    """Layers and functions under every name that torch gives them, and what no operator can stand for."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.pyramid = Pyramid()
        self.last = nn.Conv2d(12, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.interpolate(self.first(x), scale_factor=2.0)
        pooled = interpolate(F.adaptive_avg_pool2d(x, 1), x.shape[-2:])
        x = self.up(x + pooled)
        x = F.interpolate(self.last(self.pyramid(x[:, :3])), scale_factor=0.5)
        return torch.nn.functional.interpolate(x, scale_factor=1.5, mode="bicubic")


def test_each_is_found_with_the_reason_where_it_is_kept() -> None:
    torch.manual_seed(0)
    model = Decoder().eval()
    x = torch.randn(2, 3, 16, 24)
    before, state = model(x), {*model.state_dict()}
    done = swap(model, "resize_conv")
    assert [(each.names[0], each.kept) for each in done] == [
        ("interpolations.0", ""),
        ("", "it enlarges to a size, which is 128 or 256x384 times as large: that depends on the image"),
        ("", "it enlarges by 1.5, which is no whole number"),
        ("up", ""),
        ("pyramid.interpolations.0", ""),
        ("pyramid.interpolations.1", ""),
    ]
    assert state < {*model.state_dict()}  # no old name has changed
    assert isinstance(model, Decoder)
    assert model(x).shape == before.shape
    assert done[0].error is not None
    assert done[0].error < 1e-12  # the nearest neighbour is a resize_conv


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_deconv_holds_the_interpolation(mode: str) -> None:
    """Away from the border, where a transposed convolution sees zeros and an interpolation the border again."""
    torch.manual_seed(0)
    model = Pyramid(mode)
    x = torch.randn(1, 3, 32, 48)
    before = model(x)
    done = swap(model, "deconv")
    assert [each.names for each in done] == [("interpolations.0",), ("interpolations.1",)]
    torch.testing.assert_close(model(x)[..., 4:-4, 4:-4], before[..., 4:-4, 4:-4], rtol=1e-4, atol=1e-5)


def test_aligned_corners_are_matched_by_the_nearest_that_is_the_same_everywhere() -> None:
    class Aligned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    (done,) = swap(model := nn.Sequential(nn.Conv2d(3, 4, 1), Aligned()), "deconv")
    assert done.names == ("1.interpolations.0",)
    assert done.error is not None
    assert 0.01 < done.error < 0.5  # told, not hidden
    assert model(torch.randn(1, 3, 5, 6)).shape == (1, 4, 10, 12)


def test_a_size_that_is_nearly_the_scale_is_cropped_to_and_padded_to() -> None:
    enlarge = Enlarge(nn.Upsample(scale_factor=2), (2, 2))
    x = torch.arange(6.0).view(1, 1, 2, 3)
    doubled = F.interpolate(x, scale_factor=2)
    torch.testing.assert_close(enlarge(x, (3, 6)), doubled[:, :, :3])
    torch.testing.assert_close(enlarge(x, (5, 6)), F.pad(doubled, (0, 0, 0, 1), mode="replicate"))
    with pytest.raises(ValueError, match=r"enlarges 2x3 by .* not nearly 8x6: the input has a size that the model's"):
        enlarge(x, (8, 6))
    with pytest.raises(ValueError, match=r"enlarges by \(2, 2\), not \(3, 3\)"):
        enlarge(x, factor=3)


def test_what_is_made_can_be_copied_pickled_exported_and_swapped_again() -> None:
    model = nn.Sequential(Pyramid(), nn.Conv2d(12, 1, 1)).eval()
    swap(model, partial(upsample.build, "deconv", balanced=False), "fresh")  # torch pickles no parametrised module
    x = torch.randn(1, 3, 16, 16)
    expected = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.export.export(model, (x,)).module()):
        torch.testing.assert_close(other(x), expected)
    done = swap(model, "resize_conv", "fresh")
    assert [each.names for each in done] == [("0.interpolations.0.upsample",), ("0.interpolations.1.upsample",)]
    assert model(x).shape == expected.shape


def test_shapes_alone_will_do() -> None:
    with torch.device("meta"):
        model = Decoder()
        done = swap(model, "deconv", "fresh")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert sum(not each.kept for each in done) == 4


class Shared(nn.Module):
    """One nn.Upsample for two numbers of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.conv = nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.conv(self.up(x)))


class Derived(Pyramid):
    """Its own forward has a closure, which `super()` makes."""

    def forward(self, x: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        return F.interpolate(super().forward(x), scale_factor=2)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2)


class Outside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return double(self.conv(x))


class Fixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 3, 1), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.interpolate(self.conv(x), scale_factor=2))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Shared, "it is used for 3 and for 5 channels: give each a layer of its own"),
        (Derived, "it is called by a function, not in the source of its module's forward"),
        (Outside, "it is called by a function, not in the source of its module's forward"),
        (Fixed, "it could not be followed at a second size, which might change its factor"),
    ],
)
def test_what_cannot_be_replaced_is_kept_with_the_reason(make: Any, reason: str) -> None:
    model = nn.Sequential(make())
    before = [(type(module), name) for name, module in model.named_modules()]
    done = swap(model, "deconv")
    assert [each.kept for each in done] == [reason]
    assert [(type(module), name) for name, module in model.named_modules()] == before


def test_what_is_named_is_left_alone() -> None:
    model = nn.Sequential(Pyramid(), nn.Conv2d(12, 3, 1), nn.Upsample(scale_factor=2))
    done = swap(model, "nearest", keep=["0"])
    assert [each.names for each in done] == [("2",)]
    assert type(model[0]) is Pyramid
    with pytest.raises(ValueError, match="keep names encoder, which the model does not have"):
        swap(model, "nearest", keep=["encoder"])


def test_nothing_is_replaced_where_one_cannot_be() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 1), Pyramid())
    with pytest.raises(ValueError, match="sapa needs the encoder's skip"):
        swap(model, "sapa")
    assert type(model[1]) is nn.Upsample
    assert type(model[3]) is Pyramid
    with pytest.raises(ValueError, match=r"put it in nn\.Sequential"):
        swap(nn.Upsample(scale_factor=2), "nearest")
