"""Pictures of what a generator makes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.utils import make_grid, save_image

from models.tasks.drawing import save
from models.tasks.generation.scores import power_spectrum, radial_power
from models.tasks.pattern_picture import Patch, channel_of, draw_fixed, draw_lines, draw_patches, laid_out
from plumbing.atomic import whole
from upsample.instrument.outputs import OutputResult

SHOWN = 36  # images of each kind, six a side
ACROSS = 8  # in a row of a grid that is written
COLOURS = {"real": "black", "test": "tab:blue", "test/final": "tab:orange"}
NAMES = {"real": "real", "test": "generated, best weights", "test/final": "generated, last weights"}


def write_grid(path: Path, images: Tensor) -> None:
    """Write (N, C, H, W) uint8 images side by side as a PNG, eight a row, whole or not at all."""
    with whole(path) as partial:
        save_image(images.cpu().float() / 255, partial, format="png", nrow=ACROSS)


@rc_context({"font.size": 13})  # legible at half its size
def generation_report(
    path: Path,
    title: str,
    images: dict[str, Tensor],
    rows: dict[str, Tensor] | None,
    field: Tensor,
    patches: Sequence[Patch],
    result: OutputResult | None,
) -> None:
    """Grids of real and generated images; a magnified patch of a large field; the pattern; mean power spectra, also
    averaged over rings, as a PNG.

    images: `real`, `test` (the best weights) and, where there are any, `test/final`, each (N, C, S, S) uint8,
    N >= 36 unless there are fewer. rows: of images of classes the places (rows, columns) of those that are shown, a row
    a class, by the same names; None: some of all. field: (1, C, T, T) uint8, made by the best weights from a grid of
    latents. patches: of it and, where there is one, of the repaired generator's. result: the pattern of such fields
    """
    spectra = {name: power_spectrum(each) for name, each in images.items()}
    figure, grid = laid_out(title, [4.1, *([4.7] if patches else []), 4.7])
    bottom = grid.nrows - 1
    for i, name in enumerate(NAMES):
        axis = figure.add_subplot(grid[0, i])
        axis.set_axis_off()
        if name in images:
            # Spread over the set: neighbours in a data set are often neighbours in the world.
            spread, across = torch.linspace(0, len(images[name]) - 1, min(SHOWN, len(images[name]))).long(), 6
            if rows is not None:
                spread, across = rows[name].flatten(), rows[name].shape[1]
            drawn = make_grid(images[name][spread], nrow=across, padding=1, pad_value=128)
            axis.imshow(drawn.permute(1, 2, 0).numpy(), interpolation="nearest")
            axis.set_title(NAMES[name] + (", a class a row" if rows is not None else ""))
    _rings(figure.add_subplot(grid[0, 3]), spectra)

    if patches:
        magnified = [figure.add_subplot(grid[1, i]) for i in range(2 * len(patches))]
        draw_patches(figure, magnified, patches, "grey levels of 255")
    pattern = result.pattern if result is not None else None
    if pattern is not None and result is not None:
        channel = channel_of(result, otherwise=0)
        draw_fixed(figure, figure.add_subplot(grid[bottom, 0]), pattern, channel, "grey levels of 255")
    draw_lines(figure.add_subplot(grid[bottom, 1]), field[0].float(), pattern, "a large field")
    top = max(_decibels(spectrum).max().item() for spectrum in spectra.values())
    for i, (name, word) in enumerate({"real": "real", "test": "generated"}.items()):
        axis = figure.add_subplot(grid[bottom, 2 + i])
        picture = axis.imshow(
            torch.fft.fftshift(_decibels(spectra[name])).numpy(),
            cmap="magma",
            vmin=top - 60,
            vmax=top,
            extent=(-0.5, 0.5, 0.5, -0.5),
            interpolation="nearest",
        )
        axis.set_title(f"mean spectrum, {word}")
        axis.set_xlabel("cycles per pixel")
        figure.colorbar(picture, ax=axis, location="bottom", shrink=0.8, label="dB")
    save(figure, path)


def _decibels(power: Tensor) -> Tensor:
    """A power spectrum relative to its lowest ring's mean, as the spectrum gap sees it."""
    return 10 * (power / radial_power(power)[0]).clamp_min(1e-12).log10().float()


def _rings(axis: Axes, spectra: dict[str, Tensor]) -> None:
    for name, spectrum in spectra.items():
        power = radial_power(spectrum)
        frequency = torch.arange(1, len(power) + 1) / len(spectrum)
        axis.plot(
            frequency,
            10 * (power / power[0]).log10().cpu(),
            color=COLOURS[name],
            label=NAMES[name],
            linewidth=4 if name == "test" else 1.5,  # where the best are the final ones both are seen
        )
    axis.axvspan(frequency[3 * len(power) // 4].item(), 0.5, color="0.9", zorder=0, label="where the gap is taken")
    axis.set_title("radial spectrum")
    axis.set_xlabel("cycles per pixel")
    axis.set_ylabel("dB of the lowest frequency")
    axis.legend(fontsize=10)
