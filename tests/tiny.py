"""Small networks, little data and few steps, as overrides, where a test asks whether a run works."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from study import identity

CONF = Path(identity.__file__).parents[1] / "conf"
CROPS = ["data.crop=64", "data.step=256"]  # of earth
SHIFTED = "task.grid_images=3"  # fewer than two processes share out evenly, and no fewer than show a pattern
UNET = ["encoder.width=4", "encoder.depth=2", SHIFTED, *CROPS]
ESPCN = ["model=espcn", "data.step=256", SHIFTED]
DCGAN = ["model=dcgan", "model.width=4", "upsample=deconv", "data.step=256"]
FEW = ["trainer.precision=32-true", "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1"]
TINY = [*UNET, *FEW, "data.batch_size=4", "trainer.max_epochs=2", "+trainer.limit_test_batches=2"]


def composed(config: str, *overrides: str) -> DictConfig:
    """One of conf/*.yaml with overrides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config, list(overrides))


def configuration(*overrides: str) -> dict[str, Any]:
    """What train.run takes."""
    return identity.plain(composed("config", *overrides))
