"""What is typed: paths of any name reach the configuration as they are, and what Hydra refuses is one sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

import check_data
from models.tasks import task as tasks
from study.command_line import CONF, quoted, refuse_absent, sentence, unknown_key

NAMES = [
    "/x/données", "my data (1)", "/runs/lr=0.1,b=2", "/x/it's here", "/x/{a: b}", "x[1]", "/x/a#b", "/x/a:b",
    "/x/$HOME", "50%", "true", "1e3", "写真/é", 'say "hi"',
    "back\\slash", "it's\\", "a & b; c | d", "glob(*)", "-x", "a=b", "!(x)",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["data.root", "+data.test_root", "checkpoint", "hydra.run.dir"])
def test_a_path_is_read_as_it_is_typed(name: str, key: str) -> None:
    (word,) = quoted([f"{key}={name}"])
    assert OverridesParser.create().parse_override(word).value() == name
    assert quoted([word]) == [word]  # what is quoted already stays


def test_home_is_found_and_what_is_no_path_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert quoted(["data.root=~/my data"]) == ["data.root='/home/me/my data'"]
    left = [
        "upsample=deconv",
        "seed=0,1",
        "-m",
        "data.root=null",
        "data.root=a,b",
        "task.inference={a: 1}",
        "data.root=",
    ]
    assert quoted(left) == left
    assert quoted(["data.root=a,b"]) == ["data.root='a,b'"]  # without -m it is one folder
    assert quoted(["data.root=${other}"]) == ["data.root=${other}"]


def crop_of(word: str) -> int:
    """What the configuration resolves to."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [word]).data.crop


ROWS = [
    ("data.nobody=1", "data.nobody does not exist; data has augment, balance,"),
    ("encoder.widht=3", "encoder.widht does not exist; did you mean width? encoder has depth, family, freeze, width"),
    ("trainer.on_nan=skip", "trainer.on_nan is now callbacks.on_nan"),
    ("trainer.max_epoch=3", "trainer.max_epoch does not exist; did you mean max_epochs? trainer has accelerator,"),
    ("upsampl=deconv", "upsampl does not exist; did you mean upsample? there are callbacks, data,"),
    ("upsample=deonv", "upsample=deonv does not exist; did you mean deconv? choose from bicubic,"),
    ("model=unte", "model=unte does not exist; did you mean unet? choose from dcgan,"),
    ("data=foldr", "data=foldr does not exist; did you mean folder? choose from ade20k,"),
    ("experiment=foo", "experiment=foo does not exist; choose from balanced,"),
    ("nosection.key=1", "nosection.key does not exist: there is no section nosection"),
    (
        "task.lr=a(b",
        "the value of task.lr cannot be read as it is; quote it for the shell and for Hydra: \"task.lr='a",
    ),
    ("seed=(1", "the value of seed cannot be read as it is; quote it"),
    ("foo", "'foo' is no KEY=VALUE; --help lists groups, choices and keys"),
    ("data.crop=${nobody}", "nobody does not exist; there are callbacks,"),
]


@pytest.mark.parametrize(("word", "told"), ROWS, ids=[row[0] for row in ROWS])
def test_what_hydra_refuses_is_one_sentence_that_names_what_is_near(word: str, told: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException)) as refusal:
        crop_of(word)
    said = sentence(refusal.value, [word], "config")
    assert said.startswith(told)
    assert "\n" not in said


def test_of_a_key_that_some_choices_of_a_sweep_lack_these_are_named() -> None:
    words = ["-m", "upsample=deconv,resize_conv,nearest", "upsample.balanced=false"]
    assert unknown_key("upsample.balanced", words, "config") == (
        "upsample.balanced does not exist with upsample=resize_conv, nearest; leave those to a sweep of their own"
    )


def test_a_checkpoint_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    refuse_absent("zoo:unet-earth-deconv")
    refuse_absent(str(tmp_path))
    with pytest.raises(ValueError, match=r"the zoo has no 'unet-earth-decon'; did you mean unet-earth-deconv\?"):
        refuse_absent("zoo:unet-earth-decon")
    with pytest.raises(ValueError, match=r"there is no checkpoint .*gone.ckpt; name a file, a folder of a zoo, or"):
        refuse_absent(str(tmp_path / "gone.ckpt"))


def test_the_kinds_that_check_data_knows_are_the_tasks() -> None:
    assert {name: task.kind for name, task in tasks.items()} == check_data.KINDS


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["train.py", "data=folder", "data.root=/no such (folder)"], "data.root=/no such (folder) is no folder"),
        (
            ["train.py", "data=photos", "data.workers=many"],
            "data.workers must be a whole number of at least 0",
        ),
        (["check_data.py", "data.root=~/nowhere"], "nowhere is no folder"),
        (["evaluate.py", "checkpoint=zoo:nobody"], "the zoo has no 'nobody'"),
        (["predict.py", "gone.ckpt", "x.png"], "there is no checkpoint gone.ckpt"),
        (["export.py", "chekpoint=x"], "chekpoint does not exist; did you mean checkpoint?"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_refuse_at_once_in_one_sentence_without_torch(command: list[str], told: str, tmp_path: Path) -> None:
    """An empty module stands for torch, so that importing it is an error: no time is asserted."""
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    path = os.pathsep.join([str(tmp_path), str(CONF.parent)])
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(CONF.parent / command[0]), *command[1:]],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1, time.monotonic() - began
    assert told in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert len(ended.stderr.splitlines()) == 1
