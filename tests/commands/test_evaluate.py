"""evaluate.py on a run of two tiny batches: the same scores, from the checkpoint alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

import evaluate
import train
import upsample
from models import loading
from study.score_table import print_table
from tests.tiny import DCGAN, ESPCN, FEW, UNET, composed, configuration

ROOT = Path(evaluate.__file__).parent
SCORED = ["trainer.precision=32-true", "+trainer.limit_test_batches=2"]
RUNS = {
    "segmentation": [*UNET, "upsample.balanced=false", "trainer.max_epochs=1"],
    "super_resolution": [*ESPCN, "upsample=deconv", "upsample.balanced=false", "task.test_crop=60",
                         "trainer.max_steps=2"],
    "gan": [*DCGAN, "upsample.balanced=false", "task.score_images=64", "task.val_images=8", "trainer.max_steps=2",
            "trainer.val_check_interval=1"],
}  # fmt: skip


def asked(*overrides: str) -> DictConfig:
    return composed("evaluate", *SCORED, *overrides)


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of each kind."""
    folder = tmp_path_factory.mktemp(request.param)
    few = [*FEW, "+trainer.limit_test_batches=2", "data.batch_size=8"]
    train.run(configuration(*RUNS[request.param], *few), folder)
    return folder


def test_evaluation_agrees_with_training_to_the_last_digit(run: Path, tmp_path: Path) -> None:
    before = (run / "metrics.json").read_bytes()
    again = evaluate.run(asked(f"checkpoint='{run / 'best.ckpt'}'", "source=false"), tmp_path)
    metrics = json.loads(before)
    # Only training knows its validation, its speed, and the weights that it ended with.
    of_training = ("val/", "test/final/", "seconds_per_step", "warnings")
    kept = {k: v for k, v in metrics.items() if not k.startswith(of_training)}
    measured_anew = {"seconds", "peak_memory_mb"}
    assert set(again) == set(kept) | {"checkpoint", "split"}
    assert {k: v for k, v in kept.items() if k not in measured_anew} == {
        k: None if v != v else v for k, v in again.items() if k in set(kept) - measured_anew
    }
    assert (run / "metrics.json").read_bytes() == before
    assert json.loads((tmp_path / "metrics.json").read_text())["split"] == "test"
    assert matplotlib.image.imread(tmp_path / "report.png").std() > 0.1


@pytest.mark.parametrize("run", ["segmentation"], indirect=True)
def test_other_data_and_splits_are_scored_if_the_classes_match(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"checkpoint='{run / 'best.ckpt'}'"
    chosen = ["split=val", "data=earth", "data.test_crop=90", "+task.inference.flip=true"]
    other = evaluate.run(asked(where, *chosen), tmp_path)
    kept = OmegaConf.load(tmp_path / "config.yaml")
    assert (kept.task.inference.flip, kept.task.inference.overlap, kept.data.test_crop) == (True, 0.25, 90)
    assert other["macs_input"] == "1x3x90x90"
    metrics = json.loads((run / "metrics.json").read_text())
    assert other["val/miou"] != metrics["test/miou"]
    assert other["baseline/miou"] > 0
    assert not [key for key in other if key.startswith("test/")]  # nothing was tested on the test split
    print_table(other, tmp_path)
    told = capsys.readouterr().out
    assert re.search(r"^Score +miou 0", told, re.MULTILINE)
    assert re.search(r"^Baseline +colour table: miou 0", told, re.MULTILINE)

    stored = torch.load(run / "best.ckpt", weights_only=True)
    stored["config"]["classes"][2] = "river"
    torch.save(stored, tmp_path / "rivers.ckpt")
    with pytest.raises(SystemExit):
        evaluate.run(asked(f"checkpoint='{tmp_path / 'rivers.ckpt'}'"), tmp_path)
    refused = capsys.readouterr().err
    assert refused.startswith(
        "Error: earth has the classes ocean, land, lake, but the network tells apart ocean, land, "
    )
    assert refused.count("\n") == 1


def test_a_repaired_checkpoint_scores_again_what_was_said_beside_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluate.run(asked(f"checkpoint='{run / 'best.ckpt'}'", "repair=true"), tmp_path / "first")
    assert first["repaired"] == str(tmp_path / "first" / "repaired.ckpt")
    print_table(first, tmp_path)
    assert "repaired.ckpt" in capsys.readouterr().out
    again = evaluate.run(asked(f"checkpoint='{first['repaired']}'"), tmp_path / "again")
    said = {key: value for key, value in first.items() if key.startswith("repaired/")}
    assert len(said) > 3
    assert said == {key: again[key.replace("repaired/", "test/", 1)] for key in said}
    assert upsample.repair(loading.load(first["repaired"]).network).changed is False


@pytest.mark.parametrize("run", ["super_resolution"], indirect=True)
def test_what_needs_no_repair_is_scored_and_said_to_need_none(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = torch.load(run / "best.ckpt", weights_only=True)
    weight = network["state_dict"]["network.enlarge.0.conv.weight"]
    weight[:] = weight.mean((2, 3), keepdim=True)
    torch.save(network, tmp_path / "even.ckpt")
    scored = evaluate.run(asked(f"checkpoint='{tmp_path / 'even.ckpt'}'", "repair=true"), tmp_path / "even")
    assert "repaired" not in scored
    assert scored["test/psnr_y"] > 0
    assert "nothing to repair" in capsys.readouterr().out
    assert not (tmp_path / "even" / "repaired.ckpt").exists()


def test_a_folder_is_named_by_the_question(tmp_path: Path) -> None:
    def name(*overrides: str) -> str:
        return evaluate.name(asked(*overrides))

    assert name("checkpoint=runs/unet-1/best.ckpt").startswith("unet-1-best-own-test-")
    assert name("checkpoint=zoo:unet-earth", "data=earth", "split=val").startswith("zoo-unet-earth-earth-val-")
    assert name("checkpoint=zoo:a") != name("checkpoint=zoo:a", "+task.checkerboard_images=3")
    assert name("checkpoint=zoo:a") == name("checkpoint=zoo:a", "debug=true")


def test_without_a_checkpoint_a_sentence_says_what_to_write(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "evaluate.py"), f"hydra.run.dir='{tmp_path}'"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr == (
        "Error: checkpoint is not set; name one: checkpoint=runs/.../best.ckpt or checkpoint=zoo:NAME\n"
    )


def test_torch_is_not_imported_to_compose_a_question() -> None:
    code = "import sys, evaluate; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
