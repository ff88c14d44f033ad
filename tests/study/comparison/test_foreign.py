"""Run folders from anyone, some of them made to harm: the good ones are compared, the bad ones named and left out."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib.image
import pytest
import yaml

import study
from plumbing.messages import as_text
from study.comparison import page, runs
from study.comparison.board import Board
from study.comparison.compare import compare
from study.comparison.table import print_board, to_csv

ROOT = Path(study.__file__).parents[1]
SCRIPT = "</td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
NAMES = [SCRIPT, "$\\frac{$", "[/b] [red]", "=1+1", "@x", "-2+3", "../../../etc", "_hidden", "\x1b[31mred", "a" * 3000,
         "", "{{ 7 * 7 }}", "'; DROP TABLE", "漢字 👍", "\u202egnp"]  # fmt: skip


def edit(file: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]  # of whatever a file holds
    held = yaml.safe_load(file.read_text())
    change(held)
    file.write_text(json.dumps(held) if file.suffix == ".json" else yaml.safe_dump(held))


@pytest.fixture
def hostile(nine_runs: Path, make_run: Callable[..., Path]) -> Path:
    """Three good groups, and a run for each of NAMES that has it wherever a name can be."""
    for i, name in enumerate(NAMES):
        folder = make_run("deconv", i % 3, 0.5, at=f"hostile{i}")

        def config(held: dict, name: str = name) -> None:  # type: ignore[type-arg]
            held["upsample"] = {"name": name, name or "empty": name}

        def metrics(held: dict, name: str = name) -> None:  # type: ignore[type-arg]
            held |= {f"test/iou/{name}": 0.5, "machine": name, "precision": name, "skipped": [name]}

        edit(folder / "config.yaml", config)
        edit(folder / "metrics.json", metrics)
        (folder / "history.csv").write_text(f'step,"{name.replace(chr(34), "")}"\n1,2\n')
        unfinished = make_run("unpool", i, None, at=f"unfinished{i}")
        (unfinished / "failed.json").write_text(json.dumps({"reason": name}))
    return nine_runs


def read(folder: Path) -> list[runs.Run]:
    found, refused = runs.read_all(runs.find([str(folder)]))
    assert refused == []
    return found


def test_names_of_any_kind_are_shown_as_they_are(
    hostile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    compare(read(hostile), tmp_path / "out")
    printed = capfd.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "\u202e" not in printed.out + printed.err
    assert "[/b] [red]" in printed.out
    assert "Warning" not in printed.err
    assert matplotlib.image.imread(tmp_path / "out/comparison.png").std() > 0.1
    html = (tmp_path / "out/comparison.html").read_text()
    assert SCRIPT not in html
    assert html.count("<script>") == html.count("</script>") == 1
    assert "<td" in html
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html


def test_no_cell_of_the_csv_is_a_formula(hostile: Path) -> None:
    for line in csv.DictReader(io.StringIO(to_csv(Board(read(hostile))))):
        for column in ("group", "score", "seeds", "verdict"):
            assert not line[column].startswith(("=", "+", "-", "@", "\t", "\r")), line
    assert [as_text(x) for x in ("=1", "+1", "-1", "@1", "\t1", "a=1", "")] == [
        "'=1",
        "'+1",
        "'-1",
        "'@1",
        "'\t1",
        "a=1",
        "",
    ]


def test_no_name_leads_out_of_the_folder(nine_runs: Path, make_run: Callable[..., Path], tmp_path: Path) -> None:
    for i, (task, name) in enumerate([("../../up", "earth"), ("/abs", ".."), ("a/b", "c\\d")]):
        folder = make_run("deconv", 0, 0.5, at=f"path{i}")
        edit(folder / "config.yaml", partial(dict.update, task={"name": task}, data={"name": name}))
    out = tmp_path / "deep/er/out"
    compare(read(nine_runs), out)
    written = set(tmp_path.rglob("comparison.*"))
    assert len(written) == 3 * 4
    assert all(path.resolve().is_relative_to(out) and path.parent.parent == out for path in written)


def bad_seed(folder: Path) -> None:
    edit(folder / "config.yaml", lambda held: held.update(seed=SCRIPT))


def no_config(folder: Path) -> None:
    (folder / "config.yaml").write_text("")


def half_metrics(folder: Path) -> None:
    (folder / "metrics.json").write_bytes((folder / "metrics.json").read_bytes()[:100])


def bad_score(folder: Path) -> None:
    edit(folder / "metrics.json", lambda held: held.update({"test/miou": SCRIPT}))


def alias_bomb(folder: Path) -> None:
    lines = ["l0: &l0 [x, x]"] + [f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, 40)]
    (folder / "config.yaml").write_text("\n".join(lines))


def a_pipe(folder: Path) -> None:
    import os

    (folder / "metrics.json").unlink()
    os.mkfifo(folder / "metrics.json")


@pytest.mark.parametrize("harm", [bad_seed, no_config, half_metrics, bad_score, alias_bomb, a_pipe])
def test_a_bad_folder_is_named_and_left_out(harm: Callable[[Path], None], nine_runs: Path) -> None:
    bad = next(folder for folder in sorted(nine_runs.iterdir()) if "-dilated_deconv-2" in folder.name)
    harm(bad)
    found, (sentence,) = runs.read_all(runs.find([str(nine_runs)]))
    assert len(found) == 8
    assert sentence.startswith(f"{bad}/")
    assert len(sentence) < 400


def test_the_command_says_so_and_the_page_too(nine_runs: Path, tmp_path: Path) -> None:
    bad = next(folder for folder in sorted(nine_runs.iterdir()) if "-dilated_deconv-2" in folder.name)
    bad_seed(bad)
    command = [sys.executable, str(ROOT / "compare.py"), str(nine_runs), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Left out: {bad}/")
    assert "deconv has the best mean miou" in done.stdout
    html = (tmp_path / "out/comparison.html").read_text()
    assert "Left out" in html
    assert str(bad) in html


def test_pictures_and_curves_that_are_none_are_left_out_with_a_warning(nine_runs: Path) -> None:
    first, second, *_ = sorted(nine_runs.iterdir())
    (first / "example.npz").write_bytes(b"hello")
    (second / "history.csv").write_text("step,val/miou\n1,<b>\n")
    notes: list[str] = []
    assert page.html(Board(read(nine_runs)), None, [], nine_runs).count("<img") == 0
    from study.comparison.pictures import picture

    assert picture(Board(read(nine_runs)), notes)[:4] == b"\x89PNG"
    assert sorted(note.split(" ")[0] for note in notes) == sorted(
        map(str, (first / "example.npz", second / "history.csv"))
    )


def test_a_picture_that_cannot_be_drawn_costs_a_warning(
    nine_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from study.comparison import pictures

    def failing(*_: object) -> bytes:
        raise OverflowError("too large")

    monkeypatch.setattr(pictures, "picture", failing)
    compare(read(nine_runs), tmp_path / "out")
    assert capsys.readouterr().err == "Warning: the picture could not be drawn (OverflowError: too large)\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"comparison.csv", "comparison.html"}


def test_numbers_at_the_ends_of_what_there_is_are_shown(nine_runs: Path, tmp_path: Path) -> None:
    values = (1e100, -1e100, 5e-324, 0, -0.0, 1e15)
    for folder, value in zip(sorted(nine_runs.iterdir()), values, strict=False):
        edit(folder / "metrics.json", partial(dict.update, **{"test/miou": value, "parameters": value}))
    compare(read(nine_runs), tmp_path / "out")
    print_board(Board(read(nine_runs)))
