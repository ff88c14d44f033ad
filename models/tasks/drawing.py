"""What the reports of all tasks draw with."""

import textwrap
import warnings
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import Tensor

from plumbing.atomic import whole


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all. Its texts are as they are written: a class's name with a `$` is no
    mathematics, and letters that the font lacks are boxes."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with whole(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(partial, format="png", dpi=110)


def wrapped(text: str, inches: float, points: float) -> str:
    """Lines of a title that are no wider than so many inches, in letters of so many points."""
    letters = max(20, int(inches * 72 / (0.58 * points)))
    return "\n".join(each for line in text.splitlines() for each in textwrap.wrap(line, letters))


def short(name: str, letters: int) -> str:
    """A name that takes no more than so many letters."""
    return name if len(name) <= letters else f"{name[: letters - 1].rstrip()}…"


def spectrum_db(image: Tensor) -> Tensor:
    """Power spectrum of (H, W) under a Hann window in dB below its maximum, zero frequency in the middle."""
    centred = image - image.mean()
    window = torch.outer(*(torch.hann_window(n) for n in image.shape))
    power = torch.fft.fftshift(torch.fft.fft2(centred * window)).abs().square()
    return 10 * (power / power.max().clamp_min(1e-30)).clamp_min(1e-12).log10()


def line_spectrum(maps: Tensor) -> NDArray[np.float32]:
    """Share of the power of (N, H, W) at each frequency along rows and columns, in dB: (n / 2,) float32.

    Frequencies 1/n, 2/n ... 1/2 cycles a pixel, n the shorter side, made even. The mean over maps of unit variance,
    their lines and both directions, each line under a Hann window. What repeats with a period p, in whichever
    direction, stands out at multiples of 1/p.
    """
    side = min(maps.shape[-2:]) // 2 * 2
    maps = maps[..., :side, :side].cpu().double()
    maps = (maps - maps.mean((-2, -1), keepdim=True)) / maps.std((-2, -1), keepdim=True).clamp_min(1e-12)
    lines = torch.cat([maps, maps.mT])
    lines = (lines - lines.mean(-1, keepdim=True)) * torch.hann_window(side, dtype=torch.float64)
    power = torch.fft.rfft(lines).abs().square().mean((0, 1))[1:]
    return (10 * (power / power.sum()).clamp_min(1e-12).log10()).float().numpy()
