"""A hundred broken files; tests/stress/test_fuzz.py breaks thousands."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_broken_files_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("mutate.py")), "100", "0", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr  # a crash of the process has another one
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] == found["read"] + found["refused"] == 100
    assert found["read"] > 10
    assert found["refused"] > 10
    assert found["slowest"] < 5
    assert found["memory"] < 1000
