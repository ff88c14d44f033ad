"""Checkpoints and entries that are no damage but design: right digests, wrong contents. More in tests/stress."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import evaluate
import predict
from models import loading
from models.tasks import evaluation
from models.trained.saved import Saved
from models.training.digest import seal
from tests import mutated
from tests.tiny import composed, configuration

ROOT = Path(predict.__file__).parent


@pytest.fixture(scope="module")
def checkpoint(saved_run: Callable[..., Any]) -> Path:
    path: Path = saved_run("segmentation")[1]
    with path.open("r+b") as file:
        seal(file)
    return path


def test_the_original_is_used(checkpoint: Path) -> None:
    assert mutated.what_came(lambda: mutated.use(checkpoint)) == "used"


@pytest.mark.parametrize("what", ["checkpoint", "entry"])
def test_mutants_are_used_or_refused_in_a_sentence(
    what: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = checkpoint if what == "checkpoint" else ROOT / "zoo/unet-earth-resize_conv"
    code = mutated.main(60, 7, original, tmp_path)
    said = capsys.readouterr()
    assert code == 0, said.err
    found = json.loads(said.out)
    assert found["refused"] > 30
    assert found["used"] > 0


def stored_with(checkpoint: Path, path: Path, **changes: Any) -> Path:
    """A checkpoint with other values in its configuration, or other weights, and a right digest."""
    stored = torch.load(checkpoint, weights_only=True)
    weights = changes.pop("weights", None)
    if weights is not None:
        stored["state_dict"] |= {next(iter(stored["state_dict"])): weights}
    stored["config"] |= changes
    torch.save(stored, path)
    with path.open("r+b") as file:
        seal(file)
    return path


@pytest.mark.parametrize(("weights", "sentence"), [
    (torch.zeros(3, 3).to_sparse(), "are sparse or nested"),
    (torch.zeros(3, 3, device="meta"), "are on the device meta"),
    (torch.full((3, 3), float("nan")), "is"),  # of another shape first
    (torch.zeros(3, 3, dtype=torch.float8_e4m3fn), "are of float8_e4m3fn"),
    (torch.zeros(3, 3, dtype=torch.complex64), "are of complex64"),
    (torch.zeros(()).expand(10**6, 10**6), "are one number shown as many"),
    ([0.0], "are a list"),
])  # fmt: skip
def test_weights_that_are_no_plain_numbers(weights: Any, sentence: str, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"the weights .*{sentence}"):
        loading.load(stored_with(checkpoint, tmp_path / "a.ckpt", weights=weights))


def test_weights_of_nan(checkpoint: Path, tmp_path: Path) -> None:
    first = next(iter(torch.load(checkpoint, weights_only=True)["state_dict"].values()))
    with pytest.raises(ValueError, match="hold NaN or infinity"):
        loading.load(stored_with(checkpoint, tmp_path / "a.ckpt", weights=first * float("nan")))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"palette": [[0, 0, 0], [1, 1, 256], [2, 2, 2]]}, "no 'palette' that is"),
    ({"palette": "red"}, "no 'palette' that is"),
    ({"palette": [[0, 0, 0]]}, "no 'palette' that is"),
    ({"mean": [0.5, "x", 0.5]}, "no 'mean' that is"),
    ({"mean": [0.5, float("nan"), 0.5]}, "mean is nan, beyond"),
    ({"mean": []}, "no 'mean' that is"),
    ({"std": [0.5, 0, 0.5]}, "no 'std' that is"),
    ({"std": [0.5]}, "are not as many"),
    ({"classes": ["a", "\x1b[2J", "c"]}, "control characters"),
    ({"classes": ["a", "\u202eb", "c"]}, "control characters"),
    ({"seed": True}, "no 'seed' that is"),
    ({"labels": [1, 1, 1]}, "not a different number"),
    ({"span": [1, 0]}, "span of the configuration"),
])  # fmt: skip
def test_configurations_of_wrong_types_and_ranges(
    changes: dict[str, Any], sentence: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        loading.load(stored_with(checkpoint, tmp_path / "a.ckpt", **changes))


@pytest.mark.parametrize("name", ["mnist", "cifar10", "celeba"])
def test_nothing_is_fetched_or_made_because_a_checkpoint_says_so(
    name: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: Any, **__: Any) -> None:
        raise RuntimeError("something was asked for")

    monkeypatch.setattr(socket.socket, "connect", fetched)
    stored = loading.read(checkpoint)
    asked = configuration(
        "model=dcgan", "upsample=deconv", f"data={name}", f"data.root='{tmp_path / 'away'}'", "data.download=true"
    )
    with pytest.raises(ValueError, match=r"data.root=.*away does not hold"):
        evaluation.data_of(Saved(stored.config | {"data": asked["data"], "task": asked["task"]}, stored.weights))
    assert not list(tmp_path.iterdir())


def test_what_a_checkpoint_asks_of_this_machine_is_not_done() -> None:
    asked = {"name": "folder", "root": "x", "cache": "disk", "workers": 10**6, "crop": 32}
    assert evaluation.harmless(asked) == asked | {"cache": "none", "workers": os.cpu_count()}
    assert evaluation.harmless({"name": "earth", "cache": "ram"}) == {"name": "earth", "cache": "ram"}


def test_a_command_ends_in_one_printable_sentence(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code, and that an escape code in a key does not reach the terminal."""
    path = stored_with(checkpoint, tmp_path / "a.ckpt", task={"name": "segmentation", "\u202ex": 1})
    with pytest.raises(SystemExit) as ended:
        evaluate.run(composed("evaluate", f"checkpoint='{path}'"), tmp_path / "evaluation")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert said[:-1].isprintable()
    assert not (tmp_path / "evaluation").exists()
