from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from study.comparison import runs
from study.comparison.board import Board


def test_runs_are_found_by_folder_by_their_parent_and_by_pattern(nine_runs: Path) -> None:
    folders = sorted(nine_runs.iterdir())
    (nine_runs / "comparison").mkdir()
    assert runs.find([str(nine_runs)]) == folders
    assert runs.find([str(nine_runs / "*-deconv-*")]) == [f for f in folders if "-deconv-" in f.name]
    assert runs.find([str(folders[0]), str(folders[0])]) == folders[:1]
    with pytest.raises(ValueError, match="nothing-\\* holds no run: name run folders"):
        runs.find([str(nine_runs / "nothing-*")])


def test_seeds_are_grouped_and_groups_labelled_by_what_tells_them_apart(make_run: Callable[..., Path]) -> None:
    folders = [
        make_run("deconv", seed, 0.5, kernel_size=kernel, bias=True) for seed in (0, 1, 2) for kernel in (4, None)
    ]
    folders += [make_run("resize_conv", 0, 0.5, mode="nearest", bias=True)]
    groups = runs.group(map(runs.read, folders))
    assert {each.label: sorted(each.runs) for each in groups} == {
        "deconv, kernel_size=4": [0, 1, 2],
        "deconv, kernel_size=None": [0, 1, 2],
        "resize_conv": [0],
    }
    assert runs.differing([each.settings for each in groups]) == [
        "upsample.name", "upsample.kernel_size", "upsample.mode"
    ]  # fmt: skip


def test_seeds_derived_from_the_seed_and_places_of_data_make_no_group(make_run: Callable[..., Path]) -> None:
    folders = [make_run("deconv", seed, 0.5) for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["task"]["seed"], config["data"]["root"], config["debug"] = seed, f"machine{seed}", bool(seed)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert [each.label for each in runs.group(map(runs.read, folders))] == ["deconv"]


def test_a_finished_run_counts_before_an_unfinished_one_of_the_same(make_run: Callable[..., Path]) -> None:
    finished = make_run("deconv", 0, 0.5)
    unfinished = finished.with_name(finished.name + "-2")
    unfinished.mkdir()
    (unfinished / "config.yaml").write_text((finished / "config.yaml").read_text())
    (group,) = runs.group(map(runs.read, [finished, unfinished]))
    assert group.runs[0].folder == finished


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(ValueError, match=r"config.yaml has no task.name, so it is not the configuration of a run"):
        runs.read(tmp_path)


def test_the_folds_of_a_cross_validation_are_repeats_as_seeds_are(make_run: Callable[..., Path]) -> None:
    scores = {"deconv": (0.70, 0.80, 0.75), "resize_conv": (0.72, 0.81, 0.74)}
    folders = []
    for name, values in scores.items():
        for fold, miou in enumerate(values):
            folders.append(folder := make_run(name, 0, miou, at=fold))
            config = yaml.safe_load((folder / "config.yaml").read_text())
            config["data"]["fold"] = config["upsample"].pop("at")
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
    found = Board(map(runs.read, folders))
    assert {each.label: list(each.runs) for each in found.groups} == {
        name: ["0, fold 0", "0, fold 1", "0, fold 2"] for name in scores
    }
    entry = found.entry(found.groups[1], "test/miou")
    assert entry is not None
    assert entry.difference is not None
    assert entry.difference.mean == pytest.approx((-0.02 - 0.01 + 0.01) / 3)  # by hand, fold by fold
    assert found.findings()[0] == "resize_conv has the best mean miou: 0.757 ± 0.047 over 3 folds."
