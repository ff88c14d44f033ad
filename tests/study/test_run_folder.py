import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from study import run_folder

CONFIG = {
    "model": {"name": "unet"},
    "data": {"name": "earth", "crop": 128},
    "upsample": {"name": "deconv"},
    "seed": 3,
    "resume": "auto",
    "debug": False,
}


def name(**changes: object) -> str:
    return run_folder.name(OmegaConf.create(CONFIG | changes))


def test_the_same_configuration_has_the_same_name_and_another_another() -> None:
    assert name() == name()
    assert name().startswith("unet-earth-deconv-3-")
    assert not set("=, /") & set(name())
    assert name(data={"name": "earth", "crop": 64}) != name()
    assert name(debug=True) == name()
    assert name(trainer={"max_epochs": 2}) != name(trainer={"max_epochs": 1})
    assert name(trainer={"max_epochs": 2, "checkpoint_minutes": 1}) == name(trainer={"max_epochs": 2})


def test_never_resuming_takes_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert name(resume="never") == name()
    Path("runs", name()).mkdir(parents=True)
    assert name(resume="never") == name() + "-2"
    assert name(resume="auto") == name()


def test_the_command_is_kept_as_a_shell_takes_it(tmp_path: Path) -> None:
    run_folder.write_command(tmp_path, ["upsample=deconv", "data.root=my photos", "encoder.width=8"])
    kept = (tmp_path / "command.txt").read_text()
    assert kept == "python train.py upsample=deconv 'data.root=my photos' encoder.width=8\n"


def test_metrics_are_written_whole_with_absent_scores_as_null(tmp_path: Path) -> None:
    assert run_folder.read_metrics(tmp_path) is None
    run_folder.write_metrics(tmp_path, {"test/miou": 0.5, "test/iou/lake": float("nan")})
    assert run_folder.read_metrics(tmp_path) == {"test/miou": 0.5, "test/iou/lake": None}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_the_table_shows_the_baseline_and_judges_by_the_null(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {
        "test/miou": 0.75,
        "baseline": "colour table",
        "baseline/miou": 0.6966,
        "test/iou/lake": None,
        "test/checkerboard/phase_variance": 0.5,
        "test/checkerboard/phase_variance/null": 0.01,
        "test/checkerboard/spectral_peak_db": 1.5,
        "test/checkerboard/spectral_peak_db/null": 5.0,
        "macs": 4_099_276_800,
    }
    run_folder.print_table(json.loads(json.dumps(metrics)), Path("runs/some-run"))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    assert "colour table 0.6966" in lines["test/miou"]
    assert "absent" in lines["test/iou/lake"]
    assert "PRINTS (noise 0.01)" in lines["test/checkerboard/phase_variance"]
    assert "even (noise 5)" in lines["test/checkerboard/spectral_peak_db"]
    assert "4,099,276,800" in lines["macs"]


def test_a_refusal_is_one_sentence_and_debug_keeps_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, run_folder.one_sentence(debug=False):
        raise ValueError("what is wrong\n  and what would work")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "Error: what is wrong and what would work\n"
    with pytest.raises(ValueError, match="as it was"), run_folder.one_sentence(debug=True):
        raise ValueError("as it was")


def test_a_second_run_in_a_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    root = Path(run_folder.__file__).parents[1]
    code = (
        "import sys, time, pathlib; from study import run_folder\n"
        "with run_folder.one_sentence(False), run_folder.alone(pathlib.Path(sys.argv[1])):\n"
        "    print('at work', flush=True)\n"
        "    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"at work\n"
        sentence = f"is at work already, in process {first.pid} on .*; wait for it, or start a run of its own"
        with pytest.raises(ValueError, match=sentence), run_folder.alone(tmp_path):
            pass
        assert (tmp_path / ".lock").read_text().startswith(f"process {first.pid}")
        first.kill()
    with run_folder.alone(tmp_path):  # as soon as it is gone, though it was killed
        child = os.fork()
        if not child:  # inherits nothing
            try:
                with run_folder.alone(tmp_path):
                    os._exit(0)
            except ValueError:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
