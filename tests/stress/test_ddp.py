"""Two processes that Lightning starts, and that speak through gloo, learn and score as one does; a sweep of such runs.

Some minutes on two cores.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import evaluate
import train
from models.tasks.build import build_task
from tests.tiny import DCGAN, ESPCN, UNET, composed, configuration

ROOT = Path(train.__file__).parent
SINGLE = ["trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.devices=1"]
TWO = [*SINGLE[:2], "trainer.devices=2"]
# Of the few configurations in which training needs nothing of a whole batch (no BatchNorm, a mean of equal shares).
TRAINED = [*ESPCN, "upsample=deconv", "task.batch_size=6", "task.checkerboard_images=2", "trainer.max_steps=2",
           "trainer.val_check_interval=2"]  # fmt: skip
# 20 test images in batches of 6, so that one process has 12 of them and the other 8; for the GAN 617, and 313 and 304.
KINDS = {
    "segmentation": [*UNET, "task.batch_size=6", "task.checkerboard_images=10"],
    "super_resolution": [*ESPCN, "upsample=deconv", "task.batch_size=6", "task.checkerboard_images=10"],
    "gan": [*DCGAN, "task.batch_size=16", "task.score_images=13"],
}
LEARNER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:2]
from tests.stress.test_ddp import TRAINED, TWO
from tests.tiny import configuration
import train
from study import run_folder

run_folder.let_one_process_print()
train.run(configuration(*TRAINED, "trainer=ddp", *TWO), Path(sys.argv[2]))
"""
SCORER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:2]
from tests.stress.test_ddp import KINDS, TWO
from tests.tiny import composed
import evaluate
from study import run_folder

folder = Path(sys.argv[2])
run_folder.let_one_process_print()
for kind in KINDS:
    checkpoint = f"checkpoint='{folder / kind}.ckpt'"
    evaluate.run(composed("evaluate", *TWO, checkpoint, "trainer.strategy=ddp", "source=false"), folder / kind)
"""
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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As each of two processes has: another number of threads adds up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def finished(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done


def test_two_processes_learn_and_score_what_one_does(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (tmp_path / "worker.py").write_text(LEARNER)
    command = [str(tmp_path / "worker.py"), str(ROOT), str(two)]
    finished(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    train.run(configuration(*TRAINED, *SINGLE), one)
    weights = [torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (one, two)]
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], atol=1e-5), key
    scores = [json.loads((folder / "metrics.json").read_text()) for folder in (one, two)]
    assert scores[0]["test/psnr_y"] > 5
    for key in ("val/psnr_y", "test/psnr_y", "test/ssim_y", "baseline/psnr_y"):
        assert scores[1][key] == pytest.approx(scores[0][key], rel=1e-4), key


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of each kind, and a folder for each in which two processes have evaluated it."""
    folder = tmp_path_factory.mktemp("ddp")
    for kind, overrides in KINDS.items():
        torch.manual_seed(0)
        task, _ = build_task(configuration(*overrides))
        torch.save({"config": task.config, "state_dict": task.state_dict()}, folder / f"{kind}.ckpt")
        (folder / kind).mkdir()
    (folder / "worker.py").write_text(SCORER)
    command = [str(folder / "worker.py"), str(ROOT), str(folder)]
    finished(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_score_as_one_does(kind: str, results: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint='{results / kind}.ckpt'"
    (tmp_path / kind).mkdir()
    evaluate.run(composed("evaluate", *SINGLE, checkpoint, "source=false"), tmp_path / kind)
    one, two = (json.loads((folder / kind / "metrics.json").read_text()) for folder in (tmp_path, results))
    for metrics in (one, two):
        del metrics["seconds"], metrics["peak_memory_mb"]
    numbers = {key for key, value in one.items() if isinstance(value, int | float)}
    # Each process draws its windows for itself, and what is resampled has another order: the pattern is the same within
    # its interval, not to the last digit.
    grid = {key for key in one if "/grid/" in key} | {key for key in one if key.endswith(("/pattern", "/content"))}
    assert grid <= set(two)
    numbers -= grid
    assert {key: two[key] for key in numbers} == pytest.approx({key: one[key] for key in numbers}, rel=0, abs=1e-6)
    others = set(one) - numbers - grid
    assert {key: two[key] for key in others} == {key: one[key] for key in others}
    if kind == "segmentation":
        assert 0 < one["test/miou"] < 1
    elif kind == "super_resolution":
        assert one["test/psnr_y"] > 5
    else:
        assert one["real_images"] == 13
    assert any("checkerboard" in key for key in one)
    for picture in (tmp_path / kind).glob("*.png"):
        assert (results / kind / picture.name).read_bytes() == picture.read_bytes(), picture.name


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
