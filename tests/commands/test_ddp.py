"""Several processes, for real: two on this machine's CPU, which speak through gloo and are started by Lightning.

tests/stress/test_ddp.py has the other kinds of learning, and a sweep of such runs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from tests.tiny import ESPCN, UNET, configuration

ROOT = Path(train.__file__).parent
SINGLE = ["trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.devices=1"]
TWO = ["trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.devices=2"]
# Of the few configurations in which training needs nothing of a whole batch (no BatchNorm, a mean of equal shares).
TRAINED = [*ESPCN, "upsample=deconv", "task.batch_size=6", "task.checkerboard_images=2", "trainer.max_steps=2",
           "trainer.val_check_interval=2"]  # fmt: skip
WORKER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from test_ddp import TRAINED, TWO
from tests.tiny import configuration
import train
from study import run_folder

run_folder.let_one_process_print()
train.run(configuration(*TRAINED, "trainer=ddp", *TWO), Path(sys.argv[3]))
"""


def finished(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done


def test_two_processes_learn_and_score_what_one_does(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (tmp_path / "worker.py").write_text(WORKER)
    command = [str(tmp_path / "worker.py"), str(ROOT), str(Path(__file__).parent), str(two)]
    finished(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    train.run(configuration(*TRAINED, *SINGLE), one)
    weights = [torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (one, two)]
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], atol=1e-5), key
    scores = [json.loads((folder / "metrics.json").read_text()) for folder in (one, two)]
    assert scores[0]["test/psnr_y"] > 5
    for key in ("val/psnr_y", "test/psnr_y", "test/ssim_y", "baseline/psnr_y"):
        assert scores[1][key] == pytest.approx(scores[0][key], rel=1e-4), key


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
