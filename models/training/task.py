"""What every kind of learning promises to train.py and its siblings."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from data.forms import Kind
from data.loading.datamodule import DataModule
from data.loading.loaded import Images, Samples
from models.networks.interfaces import Network

if TYPE_CHECKING:
    from upsample.instrument.outputs import OutputResult
    from upsample.instrument.shifts import ShiftResult


def shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of each tensor, by its name."""
    return {key: getattr(value, "shape", None) for key, value in weights.items()}


class Task(pl.LightningModule):
    """A network with how it learns and is scored.

    network  what is later used; what steps change is `learning`: it, or what it is the running average of
    kind     of data it needs: a method of the sources in `data`
    monitor  the validation score that chooses best.ckpt; `mode` says which way is better, "max" or "min"
    encodes  whether its network is built on an encoder and answers at the image's size; else it makes images
    callbacks  of its own, whose states checkpoints keep
    config   what checkpoints say of it, as `models.trained.saved.Saved` describes; None: they say nothing
    run      what tells its run from others, in a few letters, which checkpoints keep; None: it is of no run

    A task is built as `task(network, data.info, **options of conf/task/<name>.yaml)`.
    """

    network: Network
    followed: Network | None
    kind: Kind
    monitor: str
    mode = "max"
    encodes = False
    callbacks: Sequence[Callback] = ()
    config: dict[str, Any] | None = None
    run: str | None = None
    begun: Sequence[str] = ()  # what was taken from elsewhere before the first step, in lines for the log of a run

    @classmethod
    def outputs(cls, info: Images, options: Mapping[str, Any]) -> int | None:
        """How many channels the network answers with, for these data and options of the task: here as many as images
        have. Of a generator how many classes it can be asked for, None where images are of none."""
        return info.channels

    def keep_average(self, decay: float) -> None:
        """With a decay above 0, have steps change a copy of the network, and the network follow as a running average.

        decay  of the average, at most: at step t, from 0, it is (1 + t) / (10 + t) where that is less, so that the
               first weights are forgotten (as in TensorFlow's ExponentialMovingAverage)
        """
        self.ema = decay
        self.followed = deepcopy(self.network) if decay else None
        if decay:
            self.network.requires_grad_(False)

    @property
    def learning(self) -> Network:
        """The network that steps of training change."""
        return self.network if self.followed is None else self.followed

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Lightning's step, then the average's: before anything saves, so that a checkpoint holds both."""
        super().optimizer_step(*arguments, **options)
        if self.followed is not None:
            self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards what learns: its weights, and the statistics of its normalisations."""
        step = self.trainer.global_step
        share = 1 - min(self.ema, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.state_dict().values(), self.learning.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, share)
            else:  # counts batches
                mine.copy_(theirs)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Have a checkpoint say what it holds, so that it can be used without its run."""
        checkpoint["config"], checkpoint["run"] = self.config, self.run

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another run before anything is taken from it."""
        self.refuse_foreign(checkpoint, self.trainer.ckpt_path)

    def refuse_foreign(self, checkpoint: dict[str, Any], path: Any) -> None:
        """Raise ValueError for a checkpoint of another run, whose weights would be scored as this one's. Earlier
        versions did not keep whose a checkpoint is: one of theirs is taken where its weights fit."""
        run, weights, whose = checkpoint.get("run"), checkpoint.get("state_dict"), None
        if None not in (run, self.run) and run != self.run:
            whose = "a run of another configuration or of other data"
        elif isinstance(weights, dict) and shapes(weights) != shapes(self.state_dict()):
            whose = "another network"
        if whose:
            raise ValueError(f"{path} is of {whose}; move it away, or put the one that was there back")

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run, as flat keys of metrics.json: `test/...`, `baseline/...`, and `baseline`,
        what that is."""
        return self.tested() | self.baseline(data)

    def baseline(self, data: DataModule) -> dict[str, Any]:
        """What a simpler way scores on the test's data, where `tested` does not say it: here nothing."""
        return {}

    def tested(self) -> dict[str, Any]:
        """The scores of the test just run alone, `test/...`: `results` without what they stand beside."""
        raise NotImplementedError

    def inputs(self, samples: Samples, count: int) -> list[Tensor]:
        """What `network.get_submodule(network.used)` takes, batches of `count` in all: made of as many samples, spread
        over all there are, and of the middle of each; or drawn, where a network takes no images."""
        raise NotImplementedError

    def grid_measure(self, samples: Samples, count: int) -> "Callable[[nn.Module], ShiftResult | OutputResult]":
        """What measures the pattern of a network in the place of `network.get_submodule(network.used)`, in the units
        of the test: on the first `count` samples, or on what it makes of noise."""
        raise NotImplementedError

    def report(self, path: Path, title: str) -> None:
        """Draw what the test just run saw, as a PNG at `path`."""
        raise NotImplementedError

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """One place of the test just run, the same in every run on this data: what a comparison of runs shows.

        `output`, (H, W, 3) uint8, a picture of what the network made; what to see it beside, pictures too, under the
        names they are shown with; `spectrum` of the whole output, as `models.tasks.drawing.line_spectrum`; and, where
        there is room, `patch` and `grid`, (S, S) float32: of the output, and the fixed pattern there, else zeros.
        """
        raise NotImplementedError

    def trained(self) -> list[nn.Module]:
        """What steps of training call: what `callbacks.compile` compiles."""
        return [self.learning]

    def notes(self) -> list[str]:
        """What a user should know about the task as built, in lines for the log of a run."""
        return self.network.notes()

    def example_input(self) -> Tensor:
        """A batch of one for `forward`, of the size of the test images: what multiply-adds are counted on."""
        raise NotImplementedError
