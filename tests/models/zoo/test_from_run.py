"""From a run's checkpoint to an entry that says what it is and verifies, for each kind of network."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
import safetensors.torch
import torch
import yaml

from models import loading
from models.training.task import Task
from models.zoo import folders, index
from models.zoo.__main__ import main
from models.zoo.from_run import metrics_and_command, without_places
from study import run_folder
from tests.tiny import configuration

Make = Callable[[Path, str, dict[str, bytes]], Path]
HEADLINE = {"segmentation": "miou", "super_resolution": "psnr_y", "gan": "spectrum_gap"}
TRAINED = {
    "test/miou": 0.875, "test/psnr_y": 33.25, "test/spectrum_gap": 0.625, "parameters": 12345, "seconds": 61.6,
    "precision": "bf16-mixed", "machine": "an abacus",
}  # fmt: skip
KINDS = {
    "segmentation": ["task.test_crop=90"],
    "super_resolution": ["task.test_crop=90"],
    "gan": ["task.score_images=64"],
}


@pytest.fixture(scope="session", params=KINDS)
def exported(
    request: pytest.FixtureRequest,
    saved_run: Callable[..., tuple[Task, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Task, Path]:
    """Its kind, the task that was saved, and the zoo into which `export --half` put it."""
    task, checkpoint = saved_run(request.param, *KINDS[request.param])
    (checkpoint.parent / "metrics.json").write_text(json.dumps(TRAINED))
    (checkpoint.parent / "command.txt").write_text("python train.py upsample=deconv 'data.root=my photos'\n")
    zoo = tmp_path_factory.mktemp("zoo")
    main(["--zoo", str(zoo), "export", str(checkpoint), "--name", "my-net", "--half"])
    return request.param, task, zoo


def test_an_entry_holds_what_is_used_in_half_precision(exported: tuple[str, Task, Path]) -> None:
    kind, task, zoo = exported
    assert {path.name for path in zoo.iterdir()} == {"index.yaml", "my-net"}
    assert {path.name for path in (zoo / "my-net").iterdir()} == set(index.FILES)
    stored = safetensors.torch.load_file(zoo / "my-net" / "model.safetensors")
    used = {k: v for k, v in task.network.state_dict().items() if kind != "gan" or k.startswith("generator.")}
    assert set(stored) == set(used)
    for key, value in stored.items():
        assert value.dtype == (torch.float16 if used[key].is_floating_point() else used[key].dtype)
        torch.testing.assert_close(value.float(), used[key].float(), rtol=1e-3, atol=1e-6)
    net = loading.load(zoo / "my-net")
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    assert (net.task, net.upsampler) == (kind, task.config["upsample"]["name"])
    assert net.config == task.config


def test_the_card_tells_data_recipe_command_scores_and_checksums(exported: tuple[str, Task, Path]) -> None:
    kind, task, zoo = exported
    card = (zoo / "my-net" / "card.md").read_text()
    assert "python train.py upsample=deconv 'data.root=my photos'" in card
    assert "On an abacus, in 62 s, precision bf16-mixed" in card
    assert "public domain" in card
    assert "seed 0" in card
    recipe = yaml.safe_load(card.partition("```yaml\n")[2].partition("```")[0])
    assert recipe["model"] == task.config["model"]
    assert recipe["data"] == task.config["data"]
    found = index.read(zoo)["my-net"]
    score = f"test/{HEADLINE[kind]}"
    assert f"| `{HEADLINE[kind]}` | {found.scores[score]:.4g} | {TRAINED[score]:.4g} |" in card
    assert f"- `{HEADLINE[kind]}`: " in card
    assert re.search(r"`checkerboard/spectral_peak_db.*noise \d", card)
    for name in ("model.safetensors", "config.yaml", "preview.png"):
        assert found.files[name].sha256 in card
    assert matplotlib.image.imread(zoo / "my-net" / "preview.png").std() > 0.1


def test_verify_scores_again_and_finds_what_is_not_so(
    exported: tuple[str, Task, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, _, zoo = exported
    arguments = ["--zoo", str(zoo), "verify"]
    main([*arguments, "--all"])
    said = capsys.readouterr().out
    assert re.search(r"my-net: checksums agree, builds \([\d,]+ parameters\), \d+ scores agree", said)
    assert "1 of 1 entries are as their cards say" in said

    before, key = index.read(zoo), f"test/{HEADLINE[kind]}"
    was = before["my-net"]
    try:
        index.write(
            zoo,
            {"my-net": replace(was, scores=was.scores | {key: was.scores[key] + 0.01 * abs(was.scores[key]) + 0.002})},
        )
        with pytest.raises(SystemExit):
            main([*arguments, "my-net"])
    finally:
        index.write(zoo, before)
    assert re.search(rf"my-net: FAILED: {key} is [\d.]+ here, but [\d.]+ on its card", capsys.readouterr().out)


def test_data_that_is_not_here_is_said_not_failed_nor_fetched(
    zoo: Path, files: dict[str, bytes], make_entry: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load(files["config.yaml"])
    away = [f"data.root='{tmp_path / 'away'}'", "data.download=true"]
    config["data"] = configuration("data=oxford_pets", *away)["data"]
    make_entry(zoo, "small", files | {"config.yaml": yaml.safe_dump(config).encode()})
    main(["--zoo", str(zoo), "verify", "small"])
    said = capsys.readouterr().out
    assert re.search("small: checksums agree, builds .*; not scored, as its data is not here: data.root=.*away", said)
    assert "1 of 1" in said
    assert not (tmp_path / "away").exists()
    main(["--zoo", str(zoo), "verify", "small", "--data", "oxford_pets.root=elsewhere", "--data", "voc.root=nowhere"])
    assert "not here: data.root=elsewhere" in capsys.readouterr().out

    for change, reason in (
        ("_target_=os.system", "the section data cannot be read"),
        ("name=os.system", "the section data cannot be read (data.name is 'os.system', which does not exist"),
    ):
        with pytest.raises(SystemExit):
            main(["--zoo", str(zoo), "verify", "small", "--data", change])
        assert f"FAILED: {reason}" in capsys.readouterr().out


def test_listing_showing_and_their_mistakes(
    exported: tuple[str, Task, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, task, zoo = exported
    main(["--zoo", str(zoo), "list"])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "task", "upsampler", "score", "MB"]
    assert row.split()[:3] == ["my-net", kind, task.config["upsample"]["name"]]
    main(["--zoo", str(zoo), "show", "my-net"])
    assert capsys.readouterr().out == (zoo / "my-net" / "card.md").read_text() + "\n"
    for wrong, sentence in (
        (["show", "my-nte"], "Error: the zoo has no 'my-nte'; did you mean my-net?"),
        (["verify"], "Error: verify takes a name or --all"),
        (
            ["export", "nowhere/best.ckpt", "--name", "a"],
            "Error: nowhere holds no metrics.json, so it is no folder of a",
        ),
        (["export", "nowhere/best.ckpt", "--name", "my_net"], "Error: torch.hub could not tell my_net from my-net"),
        (["export", "nowhere/best.ckpt", "--name", "a/b"], "Error: 'a/b' is no name of a zoo entry"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["--zoo", str(zoo), *wrong])
        assert stopped.value.code == 1
        error = capsys.readouterr().err
        assert error.startswith(sentence)
        assert error.count("\n") == 1


def test_torch_hub_loads_every_entry(exported: tuple[str, Task, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    kind, _, zoo = exported
    monkeypatch.setattr(folders, "PROJECTS", zoo)
    root = str(Path(run_folder.__file__).parents[1])
    assert torch.hub.load(root, "my_net", source="local").task == kind


@pytest.mark.parametrize("metrics", [
    "", "[]", "{}", "[" * 100_000, '{"parameters": "many", "seconds": 1, "precision": "32", "machine": "a"}',
    '{"parameters": 1, "seconds": null, "precision": "32", "machine": "a"}',
    '{"parameters": 1, "seconds": 1, "precision": "32", "machine": "\\u001b[2J"}',
])  # fmt: skip
def test_metrics_that_train_py_did_not_write_are_refused(metrics: str, tmp_path: Path) -> None:
    (tmp_path / "command.txt").write_text("python train.py")
    (tmp_path / "metrics.json").write_text(metrics)
    with pytest.raises(ValueError, match=r"metrics.json is not as train.py writes it: it gives no \w+$"):
        metrics_and_command(tmp_path)


@pytest.mark.parametrize("root", ["/elsewhere/photos", "'/elsewhere/photos'"])
def test_where_data_lay_stays_on_the_machine_that_trained(root: str) -> None:
    """With the quotes that train.py puts around paths, too."""
    config = {"data": {"name": "photos", "root": "/elsewhere/photos", "test_root": "set5", "crop": 48}, "seed": 0}
    command = f"python train.py data=photos {shlex.quote(f'data.root={root}')} data.test_root=set5 'upsample=deconv'"
    kept, told = without_places(config, command)
    assert kept == {"data": {"name": "photos", "root": None, "test_root": "set5", "crop": 48}, "seed": 0}
    assert told == "python train.py data=photos data.root=DIR data.test_root=set5 upsample=deconv"
