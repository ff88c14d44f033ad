"""One set of images, with a pattern or without, and what the instrument says of it. Many at a time."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.instrument.images import contents
from benchmarks.instrument.patterns import PATTERNS, plant
from upsample.instrument.checkerboard import spectral_peak_db
from upsample.instrument.outputs import GridInOutputs

IMAGES, SIDE = 16, 256
PERIODS = (2, 3, 4, 8, 16)


@dataclass(frozen=True)
class Trial:
    """What is shown to the test on outputs alone.

    content   by its name in `contents`; photos: the folder of photographs
    share     rms of the pattern as a share of the images' standard deviation; 0: no pattern
    where     it lies: see `plant`; shape: by its name in PATTERNS
    channels  so many channels are made of as many images; 0: as the content comes
    periods   that are looked for
    side      pixels a side of the images
    classical whether the spectral peak is measured too, which takes as long
    """

    content: str
    seed: int
    photos: Path | None = None
    share: float = 0.0
    period: int = 2
    shape: str = "scattered"
    where: str = "everywhere"
    channels: int = 0
    periods: tuple[int, ...] = PERIODS
    side: int = SIDE
    classical: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of a trial.

    shown, probability  of a grid, at any period and in any channel
    amount, low, high   rms over the planted one, and its interval
    peak                the largest classical spectral peak, in dB; NaN where it is not asked for
    """

    shown: bool
    probability: float
    amount: float
    low: float
    high: float
    peak: float


def answer(trial: Trial) -> Answer:
    """Run one trial."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(trial.seed)
    make = contents(trial.photos)[trial.content]
    if trial.channels:
        images = torch.cat([make(IMAGES, trial.side, random).mean(1, keepdim=True) for _ in range(trial.channels)], 1)
    else:
        images = make(IMAGES, trial.side, random)
    deviation = images.var((2, 3)).mean().sqrt().item()
    if trial.share:
        pattern = PATTERNS[trial.shape](trial.period, random)
        images = plant(images, pattern, trial.share * deviation, trial.where)
    metric = GridInOutputs(trial.periods)
    metric.update(images)
    found = metric.result().pattern
    assert found is not None
    amount, low, high = (found.overall / (trial.share * deviation or torch.nan)).tolist()
    peak = torch.nan
    if trial.classical:
        peak = max(spectral_peak_db(images, q).mean(0).max().item() for q in trial.periods)
    return Answer(found.shown, found.p[~found.p.isnan()].min().item(), amount, low, high, peak)


def answers(trials: Sequence[Trial]) -> list[Answer]:
    """Of all trials, in their order; every processor takes part."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(answer, trials, chunksize=2))
