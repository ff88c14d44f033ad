"""Random configurations, from overrides that a user might give, built as train.py builds them up to the first step."""

import random
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from models.tasks.build import build_task
from models.training.trainer import build_trainer
from tests.tiny import configuration

ROOT = Path(__file__).parents[1]
GROUPS = {
    "data": sorted(path.stem for path in (ROOT / "conf/data").glob("*.yaml")),
    "model": ["unet", "deeplab", "smp", "dcgan", "sngan", "espcn", "srresnet"],
    "encoder": ["plain", "resnet"],
    "upsample": sorted(path.stem for path in (ROOT / "conf/upsample").glob("*.yaml")),
    "data/augment": sorted(path.stem for path in (ROOT / "conf/data/augment").glob("*.yaml")),
}
VALUES = ["0", "1", "2", "3", "4", "5", "8", "-1", "0.5", "1.5", "-0.5", "16", "100", "true", "false", "null",
          "text", "''", "[1,2]", "[]", "[0.5]", "{a: 1}", "64", "'16'"]  # fmt: skip
SMALL = ["encoder.width=2"]  # so that building takes no time; a draw may change it
UNTOUCHED = ("hydra", "objectives", "resume", "debug", "experiment", "hparams")  # say nothing of what is built


def leaves(config: Any, prefix: str = "") -> list[str]:
    return [
        leaf
        for key, value in config.items()
        for leaf in (leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"])
    ]


def some_data(root: Path) -> Path:
    """A folder of ten images with masks, for the sets that take any folder; the others find nothing there."""
    if not root.exists():
        for part in ("images", "masks"):
            (root / part).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i).integers(0, 256, (128, 128, 3), np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"{i}.png")
            Image.fromarray(pixels[..., 0] // 128).save(root / "masks" / f"{i}.png")
    return root


def drawn(draw: random.Random, folder: Path) -> list[str]:
    """A network, perhaps of another kind than the data, up to two choices of other groups, and one or two values of
    keys that these choices have, or that nobody knows."""
    model, source = draw.choice(GROUPS["model"]), draw.choice([*["earth", "folder"] * 6, *GROUPS["data"]])
    groups = ["upsample", *(["encoder"] if model in ("unet", "deeplab") else [])]
    groups += ["data/augment"] if "augment" in sections(source) else []
    groups = draw.sample(groups, draw.randint(0, min(2, len(groups))))
    chosen = [f"model={model}", f"data={source}", *(f"{group}={draw.choice(GROUPS[group])}" for group in groups)]
    if source.startswith("earth"):
        chosen.append("data.step=256")
    elif source != "fashion_mnist" or draw.random() < 0.5:
        chosen.append(f"data.root='{some_data(folder / 'some')}'")
    plain = model == "unet" and not any(each.startswith("encoder=") for each in chosen)
    small = [each for each in SMALL if plain]
    kept = ("data.step", "data.root", "data.download")
    keys = [key for key in leaves(configuration(*chosen)) if key.split(".")[0] not in UNTOUCHED and key not in kept]
    values = [f"{draw.choice(keys)}={draw.choice(VALUES)}" for _ in range(draw.randint(0, 2))]
    if draw.random() < 0.1:
        section = draw.choice(["model", "task", "upsample", "data", "data", "trainer"])
        values.append(f"{draw.choice(['', '+'])}{section}.nobody=1")
    return [*small, *chosen, *values]


@cache
def sections(source: str) -> dict[str, Any]:
    """The data section of a set."""
    return configuration(f"data={source}", "model=dcgan")["data"]


def outcome(overrides: list[str], folder: Path) -> str:
    """`built`, `refused` in a sentence, or `by Hydra`, which has its own. Any other exception goes on."""
    try:
        config = configuration(*overrides)
    except (HydraException, OmegaConfBaseException):
        return "by Hydra"
    try:
        task, module = build_task(config)
        trainer = build_trainer(config["trainer"], folder, task)
        module.trainer = trainer
        for loader in (module.train_dataloader, module.val_dataloader, module.test_dataloader):
            loader()
    except ValueError as error:
        if not str(error) or len(str(error)) > 1000:
            raise RuntimeError("no sentence") from error
        return "refused"
    return "built"


def tried(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Outcomes, and the command and error of each configuration that ended in neither."""
    draw, wrong = random.Random(seed), []
    found: Counter[str] = Counter()
    for _ in range(count):
        overrides = drawn(draw, folder)
        try:
            found[outcome(overrides, folder)] += 1
        except Exception as error:
            found["trace"] += 1
            wrong.append(f"{' '.join(overrides)}\n    {type(error).__name__}: {str(error)[:300]}")
    return found, wrong


if __name__ == "__main__":
    import sys

    counted, failures = tried(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    print("\n".join(failures))
    print(dict(counted))
