"""The states of random numbers, in checkpoints."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback


class RandomNumbers(Callback):
    """Keeps the states of torch's, NumPy's and Python's random numbers in checkpoints, which Lightning leaves out.

    They are set just before the first step, since what is built before it may draw, too.
    """

    def __init__(self) -> None:
        self.loaded: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        version, numbers, gauss = random.getstate()
        legacy: Mapping[str, Any] = np.random.get_state(legacy=False)  # type: ignore[assignment]  # its stub knows no legacy
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            # As plain numbers: NumPy's own arrays would need code to be loaded.
            "numpy": {**legacy, "state": {**legacy["state"], "key": legacy["state"]["key"].tolist()}},
            "python": [version, list(numbers), gauss],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loaded = state

    def on_train_batch_start(self, *_: Any) -> None:
        if not self.loaded:
            return
        torch.set_rng_state(self.loaded["torch"])
        if len(self.loaded["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self.loaded["cuda"])
        key = np.array(self.loaded["numpy"]["state"]["key"], np.uint32)
        np.random.set_state(self.loaded["numpy"] | {"state": self.loaded["numpy"]["state"] | {"key": key}})
        version, numbers, gauss = self.loaded["python"]
        random.setstate((version, tuple(numbers), gauss))
        self.loaded = {}
