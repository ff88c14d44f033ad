"""A sweep's processes, with a script in place of train.py so that each takes a moment; tests/stress has real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from study import run_folder, sweep
from study.command_line import literal

ROOT = Path(sweep.__file__).parents[1]
# Stands for train.py: its first argument says what happens.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from study import run_folder, sweep

folder = Path(sys.argv[-1].removeprefix("hydra.run.dir=").strip("'"))
sweep.end_with_the_sweep()
with run_folder.one_sentence(False), run_folder.failure_kept(folder):
    if sys.argv[1] == "finish":
        run_folder.write_metrics(folder, {"test/miou": 0.5})
    elif sys.argv[1] == "refuse":
        raise ValueError("what is wrong and what would work")
    elif sys.argv[1] == "break":
        raise MemoryError("too large")
    elif sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif sys.argv[1] == "save":  # as a training does that is in the middle of a long step
        from plumbing.signals import listen
        got = []
        listen(lambda number, frame: got.append(signal.Signals(number).name))
        (folder / "started").write_text(str(os.getpid()))
        while not got:
            time.sleep(0.01)
        time.sleep(1.5)
        (folder / "saved").write_text(" ".join(got))
        sys.exit(143)
    else:
        (folder / "started").write_text(str(os.getpid()))
        time.sleep(60)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.setattr(sweep, "__file__", str(tmp_path / "study/sweep.py"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("refuse", "what is wrong and what would work"),
        ("break", "MemoryError: too large"),
        ("die", "ended by SIGKILL, as Linux does where memory runs out"),
    ],
)
def test_a_job_that_fails_leaves_its_reason_and_no_exception(what: str, reason: str, tmp_path: Path) -> None:
    assert sweep.run_job([what], tmp_path) is None
    assert json.loads((tmp_path / "failed.json").read_text()) == {"reason": reason}


@pytest.mark.usefixtures("script")
def test_a_job_tried_again_forgets_the_failure_and_one_finished_is_not_run(tmp_path: Path) -> None:
    run_folder.write_failure(tmp_path, "the power went out")
    assert sweep.run_job(["finish"], tmp_path) == {"test/miou": 0.5}
    assert run_folder.read_failure(tmp_path) is None
    assert sweep.run_job(["die"], tmp_path) == {"test/miou": 0.5}
    assert run_folder.read_failure(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_job_ends_with_its_sweep_however_that_ends(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    code = "import sys; from study import sweep; from pathlib import Path; folder = Path(sys.argv[1]); "
    code += "sweep.__file__ = str(folder / 'study/sweep.py'); sweep.run_job(['wait'], folder)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as parent:
        wait_until(lambda: (tmp_path / "started").exists() and (tmp_path / "started").read_text())
        job = int((tmp_path / "started").read_text())
        assert is_running(job)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(job))


def start_job(folder: Path, what: str, **options: Any) -> subprocess.Popen[str]:
    """A sweep's process, leader of a group, with one job at work."""
    (folder / "train.py").write_text(SCRIPT)
    code = "import sys; from study import sweep; from pathlib import Path; folder = Path(sys.argv[1]); "
    code += "sweep.__file__ = str(folder / 'study/sweep.py'); sweep.run_job([sys.argv[2]], folder)"
    command = [sys.executable, "-c", code, str(folder), what]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True, **options
    )
    wait_until(lambda: (folder / "started").exists() and (folder / "started").read_text())
    return parent


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_to_a_sweep_and_its_group_reaches_the_job_once_and_is_waited_for(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    with start_job(tmp_path, "save") as parent:
        os.killpg(parent.pid, number)
        assert parent.wait(60) == code
        assert parent.stdout is not None
        said = parent.stdout.read()
    assert (tmp_path / "saved").read_text() == number.name
    assert "the sweep ends as soon as its job has saved" in said
    assert said.endswith("start the same command again to continue\n")
    assert not list(tmp_path.glob("*failed.json"))  # it was stopped, which is no failure


def test_a_second_signal_is_passed_on_and_a_third_one_ends_the_job_at_once(tmp_path: Path) -> None:
    with start_job(tmp_path, "save") as parent:
        for _ in range(2):
            parent.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert parent.wait(60) == 130
    assert (tmp_path / "saved").read_text() == "SIGINT SIGINT"
    (tmp_path / "started").unlink()
    (tmp_path / "saved").unlink()
    with start_job(tmp_path, "save") as parent:
        for _ in range(3):
            parent.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        assert parent.wait(60) == 143
    assert not (tmp_path / "saved").exists()


def test_a_job_whose_sweep_is_killed_saves(tmp_path: Path) -> None:
    with start_job(tmp_path, "save") as parent:
        parent.kill()
    wait_until((tmp_path / "saved").exists)
    assert (tmp_path / "saved").read_text() == "SIGTERM"


def test_a_terminal_that_is_closed_under_nohup_ends_nothing(tmp_path: Path) -> None:
    with start_job(tmp_path, "save", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as parent:
        os.killpg(parent.pid, signal.SIGHUP)
        time.sleep(1)
        assert parent.poll() is None
        parent.terminate()
        assert parent.wait(60) == 143
    assert (tmp_path / "saved").read_text() == "SIGTERM"


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize("name", ["it's", 'a "b"', "a,b=c", "${x}", "end\\", "a\\'b", "é 漢", "[1](2){3}", "~x"])
def test_a_folder_of_any_name_is_one_value_to_hydra(name: str, tmp_path: Path) -> None:
    value = OverridesParser.create().parse_override(f"hydra.run.dir={literal(name)}").value()
    assert OmegaConf.create({"dir": str(value)}).dir == name
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)


# train.py, but that a run only notes that it was, takes a second and scores its seed.
FAKE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
import hydra
import train
from study import command_line, run_folder, sweep

sweep.__file__ = {folder!r} + "/study/sweep.py"

def run(config, folder):
    if config["task"]["lr"] == 1:
        raise ValueError("no such rate")
    run_folder.begin(folder, config)
    with open({folder!r} + "/ran", "a") as file:
        file.write(f"{{config['seed']}}\\n")
    time.sleep(1)
    metrics = {{"test/miou": float(config["seed"])}}
    run_folder.write_metrics(folder, metrics)
    return metrics

train.run = run
main = hydra.main(version_base="1.3", config_path={root!r} + "/conf", config_name="config")(train.main.__wrapped__)
command_line.start(main, "config")
"""


def fake(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A sweep of such runs."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(FAKE.format(root=str(ROOT), folder=str(folder)))
    command = [sys.executable, str(folder / "train.py"), "-m", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_sweeps_over_the_same_jobs_run_each_once(tmp_path: Path) -> None:
    sweeps = [fake(tmp_path, "seed=0,1") for _ in range(2)]
    outputs = [each.communicate(timeout=300) for each in sweeps]
    assert [each.returncode for each in sweeps] == [0, 0], outputs
    assert (tmp_path / "ran").read_text().split() == ["0", "1"]
    assert not list(tmp_path.rglob("*failed.json"))
    assert any("is at work, in process" in out for out, _ in outputs)
    assert all("2 of 2 finished" in out or "2 jobs, 2 finished" in out for out, _ in outputs)


def test_the_progress_of_a_sweep_goes_by_no_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tmp_path / name for name in ("before", "again", "now", "later")]
    for folder in folders:
        folder.mkdir()
    run_folder.write_metrics(folders[0], {"test/miou": 0.5})
    os.utime(folders[0] / "metrics.json", (2**32, 2**32))  # of a clock that was ahead
    run_folder.write_failure(folders[1], "of an earlier try")
    at_work = sweep.Sweep()
    at_work.folders, at_work.todo = folders, 3
    at_work.before = {path: sweep.written(path) for folder in folders for path in sweep.endings(folder)}
    at_work.on_job_end(OmegaConf.create(), JobReturn())
    assert capsys.readouterr().out == ""
    run_folder.write_failure(folders[1], "again")
    run_folder.write_metrics(folders[2], {"test/miou": 0.5})
    os.utime(folders[2] / "metrics.json", (0, 0))  # of one that has been set back
    at_work.on_job_end(OmegaConf.create(), JobReturn())
    assert capsys.readouterr().out.startswith("Sweep: 2 of 4 finished, 1 failed")


def test_a_refused_job_is_counted_and_told_of_and_leaves_no_folder_and_no_row(tmp_path: Path) -> None:
    sweep = fake(tmp_path / "it's (1)", "task.lr=1,0.01")
    out, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 1
    assert "Sweep: 1 of 2 finished, 1 failed" in out, err
    assert err.count("no such rate") == 2  # as it fails, and at the end
    assert [line.endswith("no such rate") for line in err.splitlines() if line.startswith("Failed: ")] == [True]
    runs = tmp_path / "it's (1)/runs"
    (table,) = runs.glob("comparison-*/comparison.csv")
    assert table.read_text().count(",test/miou,") == 1
    (run,) = runs.glob("unet-*")
    assert (run / "metrics.json").exists()


def test_a_sweep_of_refused_jobs_alone_says_so(tmp_path: Path) -> None:
    sweep = fake(tmp_path, "task.lr=1", "seed=0")
    _, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 1
    assert err.splitlines()[-1].endswith("no such rate")
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*unet*"))


def is_running(process: int) -> bool:
    """Whether a process exists and is no zombie, which nobody may be there to collect."""
    status = Path(f"/proc/{process}/stat")
    if Path("/proc/self").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    return subprocess.run(["kill", "-0", str(process)], capture_output=True).returncode == 0


def wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 120  # starting Python takes that long where all cores are taken
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
