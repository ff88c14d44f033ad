"""Pictures of what a generator makes."""

from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid, save_image

from models.tasks.drawing import save
from models.tasks.generation.scores import power_spectrum, radial_power
from plumbing.atomic import whole

SHOWN = 36  # images of each kind, six a side
COLOURS = {"real": "black", "test": "tab:blue", "test/final": "tab:orange"}
NAMES = {"real": "real", "test": "generated, best", "test/final": "generated, final"}


def write_grid(path: Path, images: Tensor) -> None:
    """Write (N, C, H, W) uint8 images side by side as a PNG, eight a row, whole or not at all."""
    with whole(path) as partial:
        save_image(images.cpu().float() / 255, partial, format="png")


def generation_report(path: Path, title: str, images: dict[str, Tensor]) -> None:
    """Grids of real and generated images, their mean power spectra, and these averaged over rings, as a PNG.

    images: `real`, `test` (the best weights) and, where there are any, `test/final`, each (N, C, S, S) uint8,
    N >= 36 unless there are fewer.
    """
    spectra = {name: power_spectrum(each) for name, each in images.items()}
    figure = Figure(figsize=(12.5, 8.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, 3)

    for axis, name in zip(axes[0], NAMES, strict=True):
        axis.set_axis_off()
        if name in images:
            # Spread over the set: neighbours in a data set are often neighbours in the world.
            spread = torch.linspace(0, len(images[name]) - 1, min(SHOWN, len(images[name]))).long()
            grid = make_grid(images[name][spread], nrow=6, padding=1, pad_value=128)
            axis.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
            axis.set_title(NAMES[name])

    top = max(_decibels(spectrum).max().item() for spectrum in spectra.values())
    for axis, name in zip(axes[1], ("real", "test"), strict=False):
        picture = axis.imshow(
            torch.fft.fftshift(_decibels(spectra[name])).numpy(),
            cmap="magma",
            vmin=top - 60,
            vmax=top,
            extent=(-0.5, 0.5, 0.5, -0.5),
            interpolation="nearest",
        )
        axis.set_title(f"mean power spectrum, {NAMES[name]}")
        axis.set_xlabel("cycles per pixel")
        figure.colorbar(picture, ax=axis, location="bottom", shrink=0.8, label="dB")
    _rings(axes[1, 2], spectra)
    save(figure, path)


def _decibels(power: Tensor) -> Tensor:
    """A power spectrum relative to its lowest ring's mean, as the spectrum gap sees it."""
    return 10 * (power / radial_power(power)[0]).clamp_min(1e-12).log10().float()


def _rings(axis: Axes, spectra: dict[str, Tensor]) -> None:
    for name, spectrum in spectra.items():
        power = radial_power(spectrum)
        frequency = torch.arange(1, len(power) + 1) / len(spectrum)
        axis.plot(
            frequency, 10 * (power / power[0]).log10().cpu(), color=COLOURS[name], label=NAMES[name], linewidth=1.5
        )
    axis.axvspan(frequency[3 * len(power) // 4].item(), 0.5, color="0.9", zorder=0)
    axis.set_title("power over rings; gap: grey")
    axis.set_xlabel("cycles per pixel")
    axis.set_ylabel("dB of the lowest frequency")
    axis.legend()
