"""What is made in masses is what commands read, and rows of many things are put together as they say."""

from pathlib import Path

import pytest

import data
from benchmarks.configuration import configuration
from benchmarks.scale import classes, folders
from benchmarks.scale.exponents import slope
from study.comparison.runs import find, group, read_all


def test_pairs_are_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "DIFFERENT", 8)
    root = folders.pairs(tmp_path / "pairs", 20)
    inodes = {path.stat().st_ino for path in root.rglob("*.png")}
    assert len(inodes) == 16
    options = configuration("data=folder", f"data.root='{root}'")["data"]
    loaded = data.load(options, "labelled_images", seed=0)
    assert len(loaded.train) + len(loaded.val) + len(loaded.test) == 20
    assert loaded.train[0]["image"].shape == (3, folders.SIDE, folders.SIDE)


def test_runs_are_groups_of_seeds(tmp_path: Path) -> None:
    found, left_out = read_all(find([str(folders.runs(tmp_path, groups=3, seeds=2))]))
    assert left_out == []
    groups = group(found)
    assert [each.label for each in groups] == ["width=4", "width=5", "width=6"]
    assert [sorted(each.runs) for each in groups] == [[0, 1]] * 3
    assert all(len(each.values("test/miou")) == 2 for each in groups)


def test_an_exponent_is_the_power_that_times_grow_with() -> None:
    times = [[0.5 * n**1.5, 2.0 * n] for n in (10, 100, 1000)]
    assert slope([10, 100, 1000], times) == pytest.approx([1.5, 1.0])


def test_steps_and_scores_of_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "SIDE", 32)
    monkeypatch.setattr(classes, "BATCH", 2)
    own = classes.task(5)
    classes.step(own)()
    assert all(p.grad is not None for p in own.network.parameters())
    scores = own.labels.new_scores()
    monkeypatch.setattr(own.labels, "new_scores", lambda: scores)
    classes.score(own)()
    assert scores.confusion.shape == (5, 5)
    assert scores.confusion.sum() == 2 * 32 * 32
