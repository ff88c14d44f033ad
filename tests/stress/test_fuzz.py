"""Three thousand broken files; a minute."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(1, 4))
def test_broken_files_are_read_or_refused_in_a_sentence(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests/data/mutate.py"), "1000", str(seed), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] == found["read"] + found["refused"] == 1000
    assert found["slowest"] < 5
    assert found["memory"] < 1000
