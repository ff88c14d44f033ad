"""A sweep's processes, with a script in place of train.py so that each takes a moment; tests/stress has real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import run_folder, sweep

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
