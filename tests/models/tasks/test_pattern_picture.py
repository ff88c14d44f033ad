"""Patches of an output with and without its grid, against a grid that is known."""

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from models.tasks.drawing import spectrum_db
from models.tasks.pattern_picture import (
    SIDE,
    Patch,
    channel_of,
    draw_fixed,
    draw_lines,
    draw_patches,
    draw_plane,
    for_comparison,
    patch,
    printed,
    repaired,
    room,
    with_repaired,
)
from upsample.instrument.shifts import GridByShifting, ShiftResult

PERIOD = 4


def stamp(period: int = PERIOD) -> Tensor:
    """(period, period) float32 of mean 0: the pattern that `prints` adds."""
    marks = torch.randn(period, period, generator=torch.Generator().manual_seed(3))
    return marks - marks.mean()


def prints(x: Tensor) -> Tensor:
    """The image, and on its second channel a pattern fixed to the window's corner."""
    rows, columns = (length // PERIOD for length in x.shape[-2:])
    seen = x.float().mean(1, keepdim=True)
    return torch.cat([seen, seen + stamp().repeat(rows, columns)], 1)


@pytest.fixture
def image() -> Tensor:
    return torch.rand(3, room(PERIOD), room(PERIOD) + 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def measured() -> ShiftResult:
    grid = GridByShifting(PERIOD, channels=["plain", "printed"])
    grid.update(prints, torch.rand(8, 3, 96, 96, generator=torch.Generator().manual_seed(1)))
    return grid.result()


def test_what_the_grid_adds_is_the_stamp_and_nothing_where_there_is_none(image: Tensor) -> None:
    found = patch("printed", prints, image, PERIOD, 1)
    assert found.output.shape == found.grid.shape
    assert min(found.grid.shape) >= SIDE
    grids = found.grid.unflatten(0, (-1, PERIOD)).unflatten(2, (-1, PERIOD)).movedim(2, 1).flatten(0, 1)
    torch.testing.assert_close(grids, grids[:1].expand_as(grids), atol=1e-4, rtol=0)  # of every period the same
    expected = {tuple(torch.roll(stamp(), (i, j), (0, 1)).flatten().round(decimals=3).tolist())
                for i in range(PERIOD) for j in range(PERIOD)}  # fmt: skip
    assert tuple(grids[0].flatten().round(decimals=3).tolist()) in expected
    assert patch("plain", prints, image, PERIOD, 0).grid.abs().max() < 1e-5
    with pytest.raises(ValueError, match="pixels a side"):
        patch("small", prints, image[:, :-1], PERIOD, 0)


def test_a_network_without_phases_has_nothing_to_repair_and_stays_as_it_is() -> None:
    torch.manual_seed(0)
    even = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding=1))
    assert repaired(even) is None
    uneven = nn.Sequential(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1))
    before = uneven[0].weight.detach().clone()
    copy = repaired(uneven)
    assert copy is not None
    flat = copy(torch.ones(1, 3, 9, 9))[..., 4:-4, 4:-4]
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat), atol=1e-5, rtol=0)
    assert torch.equal(uneven[0].weight, before)


def test_a_repair_is_shown_where_it_takes_something_out(image: Tensor) -> None:
    def made(network: nn.Module, x: Tensor) -> Tensor:
        return network(x[..., ::2, ::2])

    layer = nn.ConvTranspose2d(3, 1, 4, stride=2, padding=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2, 1, 1]) * torch.ones(3, 1, 4, 1))
    assert [each.title for each in with_repaired(layer, made, image, PERIOD, 0)] == ["the output", "repaired"]
    dealt = nn.Conv2d(
        12, 12, 3, padding=1, bias=False
    )  # each of four pixels to its own place: phases that make the image
    nn.init.dirac_(dealt.weight)
    network = nn.Sequential(nn.PixelUnshuffle(2), dealt, nn.PixelShuffle(2))
    even = repaired(network)
    assert even is not None
    assert not torch.equal(even[1].weight, dealt.weight)
    assert [each.title for each in with_repaired(network, lambda n, x: n(x), image, PERIOD, 0)] == ["the output"]


def test_the_channel_is_the_one_that_prints(measured: ShiftResult) -> None:
    assert channel_of(measured, otherwise=0) == 1
    assert channel_of(None, otherwise=0) == 0
    assert channel_of(ShiftResult(4, 8, 16, 0, 0, 9, [], "why"), otherwise=0) == 0


def test_what_stands_out_is_marked_and_nothing_else(measured: ShiftResult) -> None:
    figure = Figure()
    axes = figure.subplots(2, 3).flat
    printed = prints(torch.rand(1, 3, 64, 64))[0, 1]
    assert measured.pattern is not None
    draw_lines(axes[0], printed[None], measured.pattern, "the output")
    assert sorted({line.get_xdata()[0] for line in axes[0].lines[1:]}) == [0.25, 0.5]
    draw_lines(axes[1], printed[None], None, "the output")
    assert len(axes[1].lines) == 1
    assert "no fixed pattern shown" in axes[1].get_title()
    draw_plane(figure, axes[2], printed, measured.pattern, 1)
    marked = {tuple(abs(v) for v in place) for place in axes[2].collections[0].get_offsets().tolist()}
    assert marked <= {(a, b) for a in (0, 0.25, 0.5) for b in (0, 0.25, 0.5)} - {(0, 0)}
    power = spectrum_db(printed)
    strongest = max(marked, key=lambda place: power[int(32 + 64 * place[1]) % 64, int(32 + 64 * place[0]) % 64])
    assert power[int(32 + 64 * strongest[1]) % 64, int(32 + 64 * strongest[0]) % 64] > power.median() + 10
    draw_fixed(figure, axes[3], measured.pattern, 1, "units")
    assert axes[3].images[0].get_array().shape == (PERIOD, PERIOD)


def test_patches_share_their_scales() -> None:
    figure = Figure()
    axes = list(figure.subplots(1, 4))
    first, second = (
        Patch(name, torch.rand(8, 8) * size, torch.randn(8, 8) * size) for name, size in (("a", 1), ("b", 3))
    )
    draw_patches(figure, axes, [first, second], "units")
    limits = [axis.images[0].get_clim() for axis in axes]
    assert limits[0] == limits[2]
    assert limits[1] == limits[3] == (-limits[1][1], limits[1][1])


def test_a_comparison_gets_the_fixed_pattern_where_one_is_shown() -> None:
    noise = torch.randn(8, 1, 160, 160, generator=torch.Generator().manual_seed(0))
    metric = GridByShifting(PERIOD)
    metric.update(prints, noise)
    found = printed(metric.result(), SIDE)
    assert found is not None
    assert found.shape == (2, SIDE, SIDE)
    assert torch.allclose(found[1], stamp().repeat(SIDE // PERIOD, SIDE // PERIOD), atol=1e-3)
    output = torch.arange(64.0 * 72).view(64, 72)
    arrays = for_comparison(output, found[1])
    assert arrays["patch"].shape == arrays["grid"].shape == (SIDE, SIDE)
    assert arrays["patch"][0, 0] == output[8, 12]
    assert for_comparison(output[:40], found[1]) == {}
    even = GridByShifting(PERIOD)
    even.update(lambda x: x, noise)
    assert (nothing := printed(even.result(), SIDE)) is not None
    assert not nothing.any()
    assert printed(None, SIDE) is None
    assert for_comparison(output, None) == {}
