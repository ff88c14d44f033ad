"""Many jobs and many runs: what is said how soon, printed with pytest -n 0 -s; to be measured on an idle machine."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import study
from tests.study.comparison.conftest import write_run

ROOT = Path(study.__file__).parents[1]


def test_a_sweep_of_500_jobs_says_its_first_word_soon(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "-m", "seed=range(500)"]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        used = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().split()[13:15])) / os.sysconf("SC_CLK_TCK")
        print(f"500 jobs: the first word after {time.monotonic() - began:.1f} s, {used:.1f} s of a core", end="")
        assert said == "Sweep: 500 jobs; looking which of them are finished ...\n"
        assert process.stdout.readline() == "Sweep: 500 jobs, 0 finished\n"
        print(f", the first job after {time.monotonic() - began:.0f} s")
        process.kill()


def test_a_thousand_runs_are_compared(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for group in range(100):
        for seed in range(10):
            write_run(tmp_path / "runs", "deconv", seed, 0.7 + 0.01 * draw.normal(), kernel=group)
    command = [sys.executable, str(ROOT / "compare.py"), str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(f"1000 runs, 100 groups: compared in {time.monotonic() - began:.1f} s, {used:.1f} s of a core")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/comparison.csv").read_text().count(",test/miou,") == 100
