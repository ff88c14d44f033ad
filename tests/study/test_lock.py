import os
import subprocess
import sys
from pathlib import Path

import pytest

import study
from study.lock import alone


def test_a_second_run_in_a_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    root = Path(study.__file__).parents[1]
    code = (
        "import sys, time, pathlib; from study.lock import alone; from study import run_folder\n"
        "with run_folder.one_sentence(False), alone(pathlib.Path(sys.argv[1])):\n"
        "    print('at work', flush=True)\n"
        "    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"at work\n"
        sentence = f"is at work already, in process {first.pid} on .*; wait for it, or start a run of its own"
        with pytest.raises(ValueError, match=sentence), alone(tmp_path):
            pass
        assert (tmp_path / ".lock").read_text().startswith(f"process {first.pid}")
        first.kill()
    with alone(tmp_path):  # as soon as it is gone, though it was killed
        child = os.fork()
        if not child:  # inherits nothing
            try:
                with alone(tmp_path):
                    os._exit(0)
            except ValueError:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_lock_removed_with_its_folder_is_taken_anew(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with alone(folder):
        (folder / ".lock").unlink()
        folder.rmdir()
        with alone(folder):  # another inode
            assert (folder / ".lock").exists()
