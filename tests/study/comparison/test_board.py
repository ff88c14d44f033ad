import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from study.comparison import runs
from study.comparison.board import Board
from study.comparison.compare import compare
from study.comparison.pictures import picture
from study.comparison.table import print_board, to_csv


def board(folder: Path) -> Board:
    return Board([runs.read(each) for each in runs.find([str(folder)])])


def test_means_differences_and_verdicts(nine_runs: Path) -> None:
    found = board(nine_runs)
    assert [each.label for each in found.groups] == ["deconv", "resize_conv", "dilated_deconv"]
    assert found.best.label == "deconv"
    near = found.entry(found.groups[1], "test/miou")
    assert near is not None
    assert near.difference is not None
    assert (near.n, near.mean) == (3, pytest.approx(0.7916667))
    assert near.deviation == pytest.approx(0.00763763)
    assert near.difference.mean == pytest.approx((-0.01 + 0.005 - 0.02) / 3)  # by hand, seed by seed
    assert near.difference.bootstrap == pytest.approx((-0.02, 0.005))
    assert [found.verdict(each, "test/miou") for each in found.groups] == ["best", "no difference shown", "worse"]
    assert found.verdict(found.groups[1], "test/checkerboard/spectral_peak_db") == "better"
    assert found.missing == []
    assert found.findings() == [
        "deconv has the best mean miou: 0.800 ± 0.020 over 3 seeds.",
        "Shown to be worse: dilated_deconv.",
        "No difference shown to: resize_conv.",
        "The grid's pattern is not measured in deconv, resize_conv, dilated_deconv.",
    ]


def test_a_sweep_half_done_says_what_is_missing(nine_runs: Path, make_run: Callable[..., Path]) -> None:
    make_run("carafe", 0, 0.99)  # one lucky seed is not the best of three
    failed = make_run("carafe", 1, None)
    (failed / "failed.json").write_text('{"reason": "out of memory"}')
    make_run("unpool", 1, None)
    found = board(nine_runs)
    assert found.best.label == "deconv"
    assert [each.label for each in found.groups] == ["carafe", "deconv", "resize_conv", "dilated_deconv", "unpool"]
    assert found.verdict(found.groups[0], "test/miou") == "one seed shows nothing"
    assert found.verdict(found.groups[-1], "test/miou") == "not finished"
    assert found.missing == [
        ("carafe", 1, "out of memory"),
        ("carafe", 2, "not started"),
        ("unpool", 0, "not started"),
        ("unpool", 1, "unfinished"),
        ("unpool", 2, "not started"),
    ]


def test_runs_of_different_machines_are_told(nine_runs: Path) -> None:
    metrics = next(nine_runs.glob("*/metrics.json"))
    metrics.write_text(metrics.read_text().replace('"32-true"', '"bf16-mixed"'))
    assert board(nine_runs).findings()[-1] == "Scores may not compare: precision is 32-true or bf16-mixed."


def test_generators_are_ranked_by_the_smallest_distance(tmp_path: Path) -> None:
    for name, distances in {"deconv": (520, 540), "resize_conv": (420, 424)}.items():
        for seed, distance in enumerate(distances):
            folder = tmp_path / f"dcgan-earth-{name}-{seed}"
            folder.mkdir()
            (folder / "config.yaml").write_text(
                f"upsample: {{name: {name}}}\ntask: {{name: gan, seed: {seed}}}\ndata: {{name: earth}}\nseed: {seed}\n"
            )
            metrics = {
                "test/spectrum_gap": 0.5,
                "test/frechet_effnet_lite0": distance,
                "test/final/frechet_effnet_lite0": distance + 1,
                "real/frechet_effnet_lite0": 92.0,
                "test/checkerboard_field/spectral_peak_db": 6.0,
                "precision": "32-true",
            }
            (folder / "metrics.json").write_text(json.dumps(metrics))
    found = board(tmp_path)
    assert found.main == "test/frechet_effnet_lite0"
    assert found.checkerboard == "test/checkerboard_field/spectral_peak_db"
    assert [each.label for each in found.groups] == ["resize_conv", "deconv"]
    worse = found.entry(found.groups[1], found.main)
    assert worse is not None
    assert worse.difference is not None
    assert worse.difference.mean == 108
    assert picture(found)[:4] == b"\x89PNG"  # though there are no histories and no examples


def test_nothing_finished_is_refused(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run("deconv", 0, None)
    with pytest.raises(ValueError, match="no run is finished yet"):
        board(tmp_path / "runs")


def test_a_score_that_is_absent_for_some_is_left_empty(nine_runs: Path, make_run: Callable[..., Path]) -> None:
    make_run("unpool", 0, 0.6)  # whose runs have no lakes
    found = board(nine_runs)
    assert found.entry(found.groups[-1], "test/iou/lake") is None
    assert "unpool,test/iou/lake" not in to_csv(found)


def test_csv_holds_every_group_and_score(nine_runs: Path) -> None:
    found = board(nine_runs)
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert len(lines) == 3 * 7
    line = next(each for each in lines if (each["group"], each["score"]) == ("dilated_deconv", "test/miou"))
    assert (line["better"], line["n"], line["seeds"], line["verdict"]) == ("higher", "3", "0 1 2", "worse")
    assert float(line["difference"]) == pytest.approx(-(0.1 + 0.095 + 0.11) / 3)
    assert float(line["bootstrap_low"]) == pytest.approx(-0.11)
    assert float(line["t_high"]) < 0


def test_the_printed_board_says_it_all(nine_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_board(board(nine_runs))
    printed = capsys.readouterr().out
    lines = {line.split()[0]: line for line in reversed(printed.splitlines()) if line.split()}
    assert "no difference shown" in lines["resize_conv"]
    assert "[-0.0361, 0.0195]  [-0.0396, 0.0229]" in lines["resize_conv"]
    assert "0.800 ± 0.020" in lines["deconv"]
    for cost in ("parameters", "macs", "seconds_per_step", "peak_memory_mb"):
        assert "↓" in lines[cost]


def test_the_verdict_on_a_pattern_is_that_of_the_measure_by_shifting(nine_runs: Path) -> None:
    for folder in nine_runs.iterdir():
        metrics = json.loads((folder / "metrics.json").read_text())
        if "resize_conv" not in folder.name:
            shown = "dilated" in folder.name or "-0-" in folder.name
            metrics |= {"test/grid/fixed/probability": 0.001 if shown else 0.5, "test/grid/fixed/share": 0.018}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    lines = board(nine_runs).findings()
    assert "The grid's pattern is not measured in resize_conv." in lines
    (shown,) = (line for line in lines if line.startswith("A fixed pattern"))
    assert "dilated_deconv (3 of 3 runs, 1.8 % of SD in the mean)" in shown


def test_each_group_is_beside_its_own_floor(nine_runs: Path) -> None:
    """Two decoders of other periods: one noise for both would turn their words round."""
    for folder in nine_runs.iterdir():
        metrics = json.loads((folder / "metrics.json").read_text())
        key = "test/checkerboard/spectral_peak_db"
        if "-deconv-" in folder.name:
            metrics |= {key: 9.0, f"{key}/null": 10.0}
        if "-resize_conv-" in folder.name:
            metrics |= {key: 4.0, f"{key}/null": 3.0 + int("-0-" in folder.name) * 0.75}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    found = board(nine_runs)
    floors = [found.entry(each, "test/checkerboard/spectral_peak_db").floor for each in found.groups]
    assert floors == [10, 3.25, 5]
    line = next(
        each for each in csv.DictReader(io.StringIO(to_csv(found))) if each["score"].endswith("spectral_peak_db")
    )
    assert (line["group"], line["floor"]) == ("deconv", "10.0")
    assert picture(found)[:4] == b"\x89PNG"


def test_no_best_is_named_of_one_seed_each(make_run: Callable[..., Path], tmp_path: Path) -> None:
    for name, miou in {"deconv": 0.7, "resize_conv": 0.9}.items():
        make_run(name, 0, miou)
    found = board(tmp_path / "runs")
    assert [found.verdict(each, "test/miou") for each in found.groups] == ["the reference", "one seed shows nothing"]
    assert found.findings()[0] == "No best is named, as none has two seeds; of one each, resize_conv has miou 0.9."


def test_the_best_is_named_as_that_of_the_groups_with_the_most_seeds(
    nine_runs: Path, make_run: Callable[..., Path]
) -> None:
    for seed in (0, 1):
        make_run("carafe", seed, 0.99)
    found = board(nine_runs)
    assert found.findings()[0] == "deconv has the best mean miou of those with 3 seeds: 0.800 ± 0.020."
    assert found.verdict(found.groups[0], "test/miou") == "better"


def test_runs_on_other_files_are_compared_apart(
    nine_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in nine_runs.iterdir():
        path = folder / "config.yaml"
        path.write_text(path.read_text() + f"data_fingerprint: {'a' if '-2-' in folder.name else 'b'}\n")
    compare([runs.read(each) for each in runs.find([str(nine_runs)])], tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.startswith("2 comparisons: runs of other tasks, or on other data, do not compare\n")
    assert "segmentation on earth, files a" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"segmentation-earth-a", "segmentation-earth-b"}


def test_an_unfinished_kind_does_not_stop_the_others(
    nine_runs: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_run("deconv", 0, None, at="other")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("earth", "membrane"))
    compare([runs.read(each) for each in runs.find([str(nine_runs)])], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["segmentation-earth"]


def test_many_groups_are_in_the_files_and_the_first_are_printed(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(25):
        make_run("deconv", 0, 0.5 + i / 100, at=i)
    found = board(tmp_path / "runs")
    print_board(found)
    assert "Every score of the other 5 configurations is in the files" in capsys.readouterr().out
    assert to_csv(found).count(",test/miou,") == 25
    assert picture(found)[:4] == b"\x89PNG"


def test_settings_that_read_alike_have_labels_of_their_own(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run("deconv", 0, 0.5, kernel=None)
    make_run("deconv", 1, 0.5, kernel="None")
    assert [each.label for each in board(tmp_path / "runs").groups] == ["kernel=None", "kernel=None (2)"]
