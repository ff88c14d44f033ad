"""What is decided of several processes before there are any; tests/stress/test_ddp.py has them at work."""

import re
import subprocess
from pathlib import Path

import pytest

import train
from tests.tiny import UNET, configuration

TWO = ["trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.devices=2"]


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
