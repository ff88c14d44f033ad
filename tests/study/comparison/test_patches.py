"""What a comparison shows of each group's grid, of runs whose grids are known."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure

from study import reading
from study.comparison import patches, pictures, runs
from study.comparison.board import Board

AMOUNTS = {"deconv": 0.5, "resize_conv": 0.0}  # of a checkerboard


@pytest.fixture
def two(make_run: Callable[..., Path], tmp_path: Path) -> Board:
    """Two groups of one seed, the first with a checkerboard of half a logit."""
    rows, columns = np.indices((48, 48))
    for name, amount in AMOUNTS.items():
        folder = make_run(name, 0, 0.8)
        grid = (amount * (-1.0) ** (rows + columns)).astype(np.float32)
        with np.load(folder / "example.npz") as kept:
            np.savez_compressed(folder / "example.npz", **dict(kept), patch=grid + rows.astype(np.float32), grid=grid)
        measured = {"test/grid/fixed": amount, "test/grid/fixed/share": amount / 4}
        measured["test/grid/fixed/probability"] = 0.002 if amount else 0.8
        metrics = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").write_text(json.dumps(metrics | measured))
    return Board(runs.read_all(runs.find([str(tmp_path / "runs")]))[0])


def test_each_group_has_its_patch_its_score_and_its_verdict(two: Board) -> None:
    found = pictures.printed(pictures.Drawn(two, []))
    assert {each.title: each.verdict for each in found} == {
        "deconv, seed 0: miou 0.8": "prints 0.5 logits, 12 % of SD",
        "resize_conv, seed 0: miou 0.8": "no pattern shown",
    }
    assert {each.title.split(",")[0]: float(np.abs(each.grid).max()) for each in found} == AMOUNTS


def test_all_grids_are_on_one_scale_and_all_outputs_too(two: Board) -> None:
    found = pictures.printed(pictures.Drawn(two, []))
    outputs, grids = patches.scales(found)
    assert (grids.vmin, grids.vmax) == (-0.5, 0.5)
    assert outputs.vmin < 1 < 46 < outputs.vmax
    drawn = {each.title.split(",")[0]: patches.pair(each, outputs, grids)[:, -48:, :3] for each in found}
    assert np.abs(drawn["resize_conv"] - drawn["resize_conv"][0, 0]).max() == 0  # one colour: nothing is printed
    ends = np.stack([colormaps["RdBu_r"](end)[:3] for end in (0.0, 1.0)])  # of the scale
    assert np.allclose(np.unique(drawn["deconv"].reshape(-1, 3), axis=0), ends)
    figure = Figure()
    patches.draw(figure.subfigures(1, 1), found, "logits")
    assert [axis.get_title().strip() for axis in figure.axes if axis.get_images()] == [each.title for each in found]


def test_the_title_says_what_was_trained_which_is_best_and_which_prints(two: Board) -> None:
    first, *others = pictures.title(pictures.Drawn(two, [])).splitlines()
    assert first == "segmentation on earth: 2 configurations, seeds 0"
    told = " ".join(others)
    assert "has miou 0.8" in told
    assert "A fixed pattern of the grid is shown in deconv (1 of 1 runs, 12 % of SD in the mean)." in told
    assert "No fixed pattern of the grid is shown in resize_conv." in told


def test_runs_without_patches_are_drawn_without_them(nine_runs: Path) -> None:
    board = Board(runs.read_all(runs.find([str(nine_runs)]))[0])
    assert pictures.printed(pictures.Drawn(board, [])) == []
    assert patches.verdict({}, "logits") == "pattern not measured"


def test_a_map_that_is_no_map_is_refused(tmp_path: Path) -> None:
    for wrong in (np.zeros((4, 4), np.float64), np.full((4, 4), np.nan, np.float32), np.zeros((4, 0), np.float32)):
        np.savez_compressed(tmp_path / "example.npz", grid=wrong)
        with pytest.raises(ValueError, match="holds no example of a run"):
            reading.example(tmp_path)
