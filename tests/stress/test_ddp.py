"""A sweep of runs of two processes each; half a minute on two cores."""

import json
import os
from pathlib import Path

from tests.test_ddp import KINDS, ROOT, TWO, finished

# Python runs it at the start of each process that finds it: notes who writes in the folder runs/.
AUDIT = """
import os, sys

def note(event, arguments):
    written = (event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
               or event in ("os.rename", "os.remove") or event == "os.mkdir" and not os.path.exists(arguments[0]))
    if written and "/runs/" in str(arguments[0]):
        log = os.open(os.environ["WRITERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{os.environ.get('LOCAL_RANK', 0)} {arguments[0]}\\n".encode())
        os.close(log)

sys.addaudithook(note)
"""


def test_a_sweep_of_such_runs_starts_each_once_and_one_process_writes(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    job = [
        "-m",
        "trainer=ddp",
        "resume=never",
        *TWO,
        *KINDS["gan"],
        "trainer.max_steps=2",
        "task.val_images=8",
        "task.samples_every=1",
        "logger=csv",
        "logger.every=1",
    ]
    done = finished(
        [str(ROOT / "train.py"), *job, "trainer.val_check_interval=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "WRITERS": str(tmp_path / "writers")},
    )
    (folder,) = tmp_path.glob("runs/dcgan-*")
    assert json.loads((folder / "metrics.json").read_text())["generated_images"] == 13
    assert done.stdout.count("Sweep: 1 jobs, 0 finished") == 1
    assert done.stdout.count("Data: earth") == 1
    assert done.stdout.count("step 2 of 2:") == 1
    writers = [line.split(" ", 1) for line in (tmp_path / "writers").read_text().splitlines()]
    assert {rank for rank, _ in writers} == {"0"}
    written = {Path(path).name.removesuffix(".partial") for _, path in writers}
    assert written >= {
        "config.yaml",
        "metrics.json",
        "report.png",
        "history.csv",
        "metrics.csv",
        "best.ckpt",
        "000001.png",
    }
