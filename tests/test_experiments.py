"""Every file of conf/experiment: a study's jobs are all composed, and one of them runs for two batches; so does each
recipe, which is one run, on tiny data in the layout of its own."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

import train
import upsample
from study import run_folder, sweep
from tests.tiny import CONF, FEW, SHIFTED, UNET, configuration

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((CONF / "experiment").glob("*.yaml"))}
STUDIES = [name for name, text in TEXTS.items() if "sweeper:" in text]
RECIPES = [name for name in TEXTS if name not in STUDIES]
TINY = {
    "segmentation": [
        *UNET, "trainer.max_epochs=1", "++trainer.check_val_every_n_epoch=1", "data.test_crop=64",
    ],
    "super_resolution": [SHIFTED, "trainer.max_steps=2", "trainer.val_check_interval=2"],
    "gan": [
        "model.width=4", "trainer.max_steps=2", "trainer.val_check_interval=2", "task.score_images=20",
        "task.val_images=20",
    ],
}  # fmt: skip
SMALL = ["+trainer.limit_test_batches=1", "task.batch_size=4"]


def photographs(root: Path) -> None:
    """Ten pictures for data=photos."""
    pixels = np.random.default_rng(0).integers(0, 256, (10, 72, 72, 3), np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(root / f"{i}.png")


def slices(root: Path) -> None:
    """Thirty slices for data=membrane, the left quarter of each a membrane."""
    for folder in ("image", "label"):
        (root / folder).mkdir()
    mask = np.tile(np.where(np.arange(64) < 16, 0, 255).astype(np.uint8), (64, 1))
    for i in range(30):
        Image.fromarray(mask // 2 + np.uint8(i)).save(root / "image" / f"{i}.png")
        Image.fromarray(mask).save(root / "label" / f"{i}.png")


def roads(root: Path) -> None:
    """Eight frames to train and two to validate for data=camvid, all classes in stripes."""
    labels = np.tile(np.arange(96) // 8, (64, 1)).astype(np.uint8)
    for split, count in (("train", 8), ("val", 2)):
        (root / split).mkdir()
        (root / f"{split}annot").mkdir()
        for i in range(count):
            Image.fromarray(np.stack([labels * 20 + np.uint8(i)] * 3, 2)).save(root / split / f"{i}.png")
            Image.fromarray(labels).save(root / f"{split}annot" / f"{i}.png")


def clothes(root: Path) -> None:
    """A hundred and twenty pictures for data=fashion_mnist."""
    for stem, count in (("train-images-idx3-ubyte", 100), ("t10k-images-idx3-ubyte", 20)):
        pixels = np.random.default_rng(count).integers(0, 256, count * 28 * 28, np.uint8)
        (root / stem).write_bytes(struct.pack(">4i", 2051, count, 28, 28) + pixels.tobytes())


DATA: dict[str, Callable[[Path], None]] = {
    "photos": photographs, "membrane": slices, "camvid": roads, "fashion_mnist": clothes,
}  # fmt: skip


@pytest.mark.parametrize("experiment", STUDIES)
def test_a_study_composes_and_runs(experiment: str, tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
        folders = sweep.folders_of(whole, sweep.overrides_of_jobs(whole))
    assert len(folders) >= 12
    assert len(set(folders)) == len(folders)
    seeds = {folder.name.rsplit("-", 2)[1] for folder in folders}
    assert seeds == {"0", "1", "2"}
    if experiment == "compare_upsamplers":
        assert {folder.name.split("-")[2] for folder in folders} == set(upsample.available())
    metrics = train.run(configuration(f"experiment={experiment}", *FEW, *SMALL, *TINY[whole.task.name]), tmp_path)
    assert run_folder.read_metrics(tmp_path)
    assert metrics["seed"] == 0


@pytest.mark.parametrize("experiment", RECIPES)
def test_a_recipe_runs_and_says_how_long_it_takes(experiment: str, tmp_path: Path) -> None:
    """With its own options, but for the size of its network and crops, and the number of steps."""
    comment = [line for line in TEXTS[experiment].splitlines() if line.startswith("#")][1:]
    assert "minutes" in " ".join(comment)
    recipe = configuration(f"experiment={experiment}")
    data, task = recipe["data"]["name"], recipe["task"]["name"]
    few = [*FEW, *SMALL, *TINY[task]]
    if data != "earth":  # whose crops alone have a step and a test size
        few = [each for each in few if not each.startswith(("data.step", "data.test_crop"))]
        (tmp_path / "data").mkdir()
        DATA[data](tmp_path / "data")
        few.append(f"data.root={tmp_path / 'data'}")
    if recipe.get("encoder", {}).get("family") != "plain":
        few = [each for each in few if not each.startswith("encoder.")]
    if recipe["model"]["name"] == "deeplab":
        few.append("model.width=8")
    few.append("task.crop=48" if task == "super_resolution" else "data.crop=32" if task == "gan" else "task.crop=64")
    metrics = train.run(configuration(f"experiment={experiment}", *few), tmp_path / "run")
    assert run_folder.read_metrics(tmp_path / "run")
    assert metrics["seed"] == 0
