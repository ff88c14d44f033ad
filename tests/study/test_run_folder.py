import os
import shlex
from contextlib import suppress
from pathlib import Path

import pytest

from study import run_folder
from study.command_line import quoted

CONFIG = {
    "model": {"name": "unet"},
    "task": {"name": "segmentation"},
    "data": {"name": "earth", "crop": 128},
    "seed": 3,
    "data_fingerprint": "a",
}


def test_the_command_is_kept_as_a_shell_takes_it(tmp_path: Path) -> None:
    run_folder.write_command(tmp_path, ["upsample=deconv", "data.root=my photos", "encoder.width=8"])
    kept = (tmp_path / "command.txt").read_text()
    assert kept == "python train.py upsample=deconv 'data.root=my photos' encoder.width=8\n"
    words = ["data.root=/data/my-set", "data.root=/data/my, set", "checkpoint=zoo:unet-earth-deconv"]
    run_folder.write_command(tmp_path, quoted(words))
    assert quoted(shlex.split((tmp_path / "command.txt").read_text())[2:]) == quoted(words)
    assert "data.root=/data/my-set" in (tmp_path / "command.txt").read_text().split()


def test_metrics_are_written_whole_with_absent_scores_as_null(tmp_path: Path) -> None:
    assert run_folder.read_metrics(tmp_path) is None
    run_folder.write_metrics(tmp_path, {"test/miou": 0.5, "test/iou/lake": float("nan")})
    assert run_folder.read_metrics(tmp_path) == {"test/miou": 0.5, "test/iou/lake": None}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_a_refusal_is_one_sentence_and_debug_keeps_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, run_folder.one_sentence(debug=False):
        raise ValueError("what is wrong\n  and what would work")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "Error: what is wrong and what would work\n"
    with pytest.raises(ValueError, match="as it was"), run_folder.one_sentence(debug=True):
        raise ValueError("as it was")


@pytest.mark.parametrize("error", [
    MemoryError(), ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("can't start new thread"),
])  # fmt: skip
def test_memory_that_ends_anywhere_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, run_folder.one_sentence(debug=False):
        raise error
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: out of memory (")
    assert said.count("\n") == 1
    with pytest.raises(type(error)), run_folder.one_sentence(debug=True):
        raise error


def test_an_error_of_the_program_is_no_lack_of_memory() -> None:
    for error in (RuntimeError("shapes differ"), ImportError("no module named x")):
        with pytest.raises(type(error)), run_folder.one_sentence(debug=False):
            raise error


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": ', b"\xff\xfe", b"[1, 2]", b"null", b"0.5", b"[" * 100_000])
def test_a_state_file_that_is_not_whole_is_absent_and_said_in_a_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for file in ("metrics.json", "failed.json", "config.yaml"):
        (folder / file).write_bytes(content)
    assert run_folder.read_metrics(folder) is None
    assert run_folder.read_failure(folder) is None
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith(f"Passed over: {folder}/") for line in said)
    run_folder.refuse_another(folder, CONFIG)
    assert "config.yaml" in capsys.readouterr().out


def test_a_folder_goes_on_with_its_own_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "unet-earth-deconv-3-00000000"
    run_folder.refuse_another(folder, CONFIG)
    run_folder.begin(folder, CONFIG)
    run_folder.refuse_another(folder, CONFIG | {"debug": True})
    moved = folder.rename(tmp_path / "moved")
    run_folder.refuse_another(moved, CONFIG)
    with pytest.raises(ValueError, match=r"another configuration \(data.crop is 128 there, 64 here\); choose another"):
        run_folder.refuse_another(moved, CONFIG | {"data": {"name": "earth", "crop": 64}})
    with pytest.raises(ValueError, match=r"holds a run on other files than data.root has now; bring those back"):
        run_folder.refuse_another(moved, CONFIG | {"data_fingerprint": "b"})
    assert capsys.readouterr().out == ""


def test_a_new_run_says_where_the_same_was_run_on_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, other = (tmp_path / f"unet-earth-deconv-3-{i:08}" for i in range(3))
    run_folder.begin(first, CONFIG)
    run_folder.begin(other, CONFIG | {"data_fingerprint": "b", "deterministic": True})
    run_folder.begin(second, CONFIG | {"data_fingerprint": "b"})
    run_folder.begin(second, CONFIG | {"data_fingerprint": "b"})
    said = capsys.readouterr().out
    assert said == f"The files of data.root are not those that {first} was run on: this is a run of its own\n"


def test_what_is_refused_before_it_is_a_run_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(begin: bool) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        with suppress(ZeroDivisionError), run_folder.no_folder_of_nothing(folder), run_folder.failure_kept(folder):
            run_folder.write_command(folder, ["task.loss=nonsense"])
            if begin:
                run_folder.begin(folder, CONFIG)
            raise ZeroDivisionError("no such loss")
        return folder

    folder = refused(begin=False)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(run_folder.OF_A_SWEEP, "1")  # which collects the reasons of its jobs
    refused(begin=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run.failed.json"]
    assert run_folder.read_failure(folder) == "ZeroDivisionError: no such loss"
    refused(begin=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert run_folder.read_failure(folder) == "ZeroDivisionError: no such loss"
    assert {path.name for path in folder.iterdir()} == {"command.txt", "config.yaml", "failed.json"}


def test_other_processes_of_a_run_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    run_folder.begin(tmp_path, CONFIG)
    run_folder.write_command(tmp_path, [])
    with run_folder.no_folder_of_nothing(tmp_path):
        pass
    assert os.listdir(tmp_path) == []
