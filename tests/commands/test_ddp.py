"""Several processes, for real: two on this machine's CPU, which speak through gloo and are started by Lightning.

tests/stress/test_ddp.py has a sweep of such runs.
"""

import json
import re
import subprocess
import sys
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
TWO = ["trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.devices=2"]
# 20 test images in batches of 6, so that one process has 12 of them and the other 8; for the GAN 617, and 313 and 304.
KINDS = {
    "segmentation": [*UNET, "task.batch_size=6", "task.checkerboard_images=10"],
    "super_resolution": [*ESPCN, "upsample=deconv", "task.batch_size=6", "task.checkerboard_images=10"],
    "gan": [*DCGAN, "task.batch_size=16", "task.score_images=13"],
}  # fmt: skip
# Of the few configurations in which training needs nothing of a whole batch (no BatchNorm, a mean of equal shares).
TRAINED = [*KINDS["super_resolution"], "trainer.max_steps=3", "trainer.val_check_interval=2",
           "+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1"]  # fmt: skip
WORKER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from test_ddp import KINDS, TRAINED, TWO
from tests.tiny import composed, configuration
import evaluate, train
from study import run_folder

folder = Path(sys.argv[3])
run_folder.let_one_process_print()
for kind in KINDS:
    checkpoint = f"checkpoint='{folder / kind}.ckpt'"
    evaluate.run(composed("evaluate", *TWO, checkpoint, "trainer.strategy=ddp", "source=false"), folder / kind)
train.run(configuration(*TRAINED, "trainer=ddp", *TWO), folder / "trained")
"""


def finished(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of each kind, and a folder for each in which two processes have evaluated it."""
    folder = tmp_path_factory.mktemp("ddp")
    for kind, overrides in KINDS.items():
        torch.manual_seed(0)
        task, _ = build_task(configuration(*overrides))
        torch.save({"config": task.config, "state_dict": task.state_dict()}, folder / f"{kind}.ckpt")
        (folder / kind).mkdir()
    (folder / "trained").mkdir()
    (folder / "worker.py").write_text(WORKER)
    finished([str(folder / "worker.py"), str(ROOT), str(Path(__file__).parent), str(folder)])
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


def test_two_processes_learn_what_one_does(results: Path, tmp_path: Path) -> None:
    train.run(configuration(*TRAINED, *SINGLE), tmp_path)
    weights = [torch.load(at / "last.ckpt", weights_only=True)["state_dict"] for at in (tmp_path, results / "trained")]
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], atol=1e-5), key


def test_what_cannot_be_shared_out_is_refused_before_there_are_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # by which Lightning starts the others
    sentence = "data.batch_size=5 cannot be shared out to 2 processes; choose a multiple, or other trainer.devices"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        train.run(configuration(*UNET, "trainer=ddp", *TWO, "data.batch_size=5"), tmp_path)


@pytest.mark.parametrize("choice", [[], ["model=dcgan"], ["model=espcn"], ["encoder=resnet"]])
def test_the_task_still_says_how_long_training_takes(choice: list[str]) -> None:
    alone = configuration(*choice)["trainer"]
    several = configuration(*choice, "trainer=ddp")["trainer"]
    assert (alone.pop("devices"), several.pop("devices")) == (1, "auto")
    assert {k: v for k, v in several.items() if k not in ("strategy", "sync_batchnorm")} == alone
