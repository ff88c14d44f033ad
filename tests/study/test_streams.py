"""Printing where nobody reads, by real processes and pipes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import study

ROOT = Path(study.__file__).parents[1]
# Prints as many lines of a thousand characters as its first argument says, and then says on stderr that it has.
PRINTS = """
import sys
from study import streams
streams.unblock()
for i in range(int(sys.argv[1])):
    print(i, "x" * 1000, flush=True)
print("done", file=sys.stderr)
"""


def start(lines: int, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PRINTS, str(lines)], cwd=ROOT, stderr=subprocess.PIPE, **options)


def test_all_that_is_printed_arrives_in_order() -> None:
    out, err = start(3000, stdout=subprocess.PIPE).communicate()
    assert out.decode() == "".join(f"{i} {'x' * 1000}\n" for i in range(3000))
    assert err == b"done\n"


def test_a_reader_that_goes_away_stops_nothing_and_is_told_of() -> None:
    with start(3000, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "Nobody reads what is printed any more (Broken pipe); the run goes on without\n" in said
    assert said.endswith("done\n")


def test_a_pipe_that_nobody_empties_stops_nothing() -> None:
    with start(500, stdout=subprocess.PIPE) as process:  # half a megabyte, of which a pipe holds 64 kB
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b"done\n"


def test_neither_stops_signals(tmp_path: Path) -> None:
    code = PRINTS.replace("for i", "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('got it', "
                          "flush=True), sys.exit(7)))\nfor i")  # fmt: skip
    code += "for _ in range(600): time.sleep(0.1)"  # a signal just before one long sleep would wait for its end
    with subprocess.Popen(
        [sys.executable, "-c", code, "500"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"done\n"
        process.terminate()
        assert process.wait(60) == 7


@pytest.mark.parametrize("where", ["closed", "/dev/full"])
def test_nowhere_to_print_to_stops_nothing(where: str) -> None:
    if where == "closed":
        process = start(3, preexec_fn=lambda: os.close(1))
    else:
        process = start(3, stdout=os.open(where, os.O_WRONLY))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.endswith(b"done\n")


def test_a_fork_prints_by_itself() -> None:
    code = (
        "import os\nfrom study import streams\nstreams.unblock()\nif not os.fork():\n    print('child', flush=True)\n"
    )
    code += "    os._exit(0)\nos.wait()\nprint('parent')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("child\nparent\n", "")


def test_a_terminal_is_still_one() -> None:
    leader, follower = os.openpty()
    code = "import sys\nfrom study import streams\nstreams.unblock()\nprint(sys.stdout.isatty(), sys.stdout.fileno())"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=follower, check=True)
    time.sleep(0.1)
    assert os.read(leader, 100).split() == [b"True", b"1"]
