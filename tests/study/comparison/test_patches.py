"""What a comparison shows of each group's grid, of runs whose grids are known."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
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
    figure = Figure()
    part = figure.subfigures(1, 1)
    patches.draw(part, pictures.printed(pictures.Drawn(two, [])), "logits")
    limits = [
        axis.images[0].get_clim() for axis in part.axes if axis.images and axis.images[0].get_array().shape[0] == 48
    ]
    assert limits[1::2] == [(-0.5, 0.5)] * 2
    assert len(set(limits[::2])) == 1


def test_the_title_says_what_was_trained_which_is_best_and_which_prints(two: Board) -> None:
    first, *others = pictures.title(pictures.Drawn(two, [])).splitlines()
    assert first == "segmentation on earth: 2 configurations, seeds 0"
    told = " ".join(others)
    assert "has miou 0.8" in told
    assert "A fixed pattern of the grid is shown in deconv (1 of 1 runs, 12 % of SD in the mean)." in told
    assert "None is shown in resize_conv." in told


def test_runs_without_patches_are_drawn_without_them(nine_runs: Path) -> None:
    board = Board(runs.read_all(runs.find([str(nine_runs)]))[0])
    assert pictures.printed(pictures.Drawn(board, [])) == []
    assert patches.verdict({}, "logits") == "pattern not measured"


def test_a_map_that_is_no_map_is_refused(tmp_path: Path) -> None:
    for wrong in (np.zeros((4, 4), np.float64), np.full((4, 4), np.nan, np.float32), np.zeros((4, 0), np.float32)):
        np.savez_compressed(tmp_path / "example.npz", grid=wrong)
        with pytest.raises(ValueError, match="holds no example of a run"):
            reading.example(tmp_path)
