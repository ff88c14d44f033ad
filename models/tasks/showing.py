"""What a person sees of a trained network on one image: what it makes, what its grid prints, and the same repaired."""

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import cast

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.utils import make_grid

from data.files.palette import overlaid
from data.loading.loaded import Values
from data.reduced.bicubic import shrink
from models.networks.adversarial import Generator, labelled
from models.tasks.common_size import middle
from models.tasks.generation.examination import FIELD_COUNT, FIELD_GRID, cut
from models.tasks.generation.generate import FIELDS, SAMPLES, generate, in_order, in_turn, random
from models.tasks.generation.report import ACROSS
from models.tasks.generation.scores import grid_of
from models.tasks.pattern_picture import Patch, draw_patches, patch, room
from models.tasks.picture_files import as_channels
from models.tasks.segmentation.inference import Inference
from models.tasks.super_resolution.predict import enlarge
from models.tasks.super_resolution.scores import luma
from models.trained.saved import Trained
from upsample.instrument.outputs import OutputResult
from upsample.instrument.shifts import GridByShifting, ShiftResult
from upsample.instrument.words import verdict
from upsample.models.repair import repair

OPACITY = 0.5  # of a class over the image
WINDOW = 1024  # pixels a side that a segmentation sees at once
ROWS, COLUMNS = 3, 4  # tiles that an image is measured in, at most
TILE = 128  # pixels a side of one, at most, or what the measure needs
SAMPLED = 16  # images of a generator
FITTED = 64  # images that a repaired generator is fitted to make
GREY = "grey levels of 255"


@dataclass(frozen=True)
class Seen:
    """Pictures, (H, W, 3) uint8, and sentences, each by its title; `patches`, a PNG of what the grid adds, magnified:
    None where the image has no room for it."""

    pictures: dict[str, NDArray[np.uint8]]
    sentences: dict[str, str]
    patches: bytes | None


class Showing:
    """A trained network, and a copy of it that is repaired where there is something to repair.

    `of(image)` is for networks that take images, `made(seed)` for generators. Raises ValueError for one of bands.
    """

    def __init__(self, net: Trained) -> None:
        if net.bands is not None:
            raise ValueError("this network takes bands of files, which no browser shows; use predict.py on the files")
        self.networks = {"as trained": net}
        even = deepcopy(net)
        # Nearest weights cost a generator more than they bring (docs/repair.md), so it is fitted to make what it made.
        report = repair(even.network, taken(net).to(device_of(net)) if net.task == "gan" else None)
        if report.changed:
            self.networks["repaired"] = even
        self.net = net

    @torch.no_grad()
    def of(self, image: Tensor) -> Seen:
        """What the network makes of (3, H, W) uint8, measured on tiles of it."""
        made, measure, unit = {
            "segmentation": (overlay, by_class, "logits"),
            "regression": (coloured, by_class, unit_of(self.net)),
        }.get(self.net.task, (enlarged, by_luma, GREY))
        pictures = {"the image": np.ascontiguousarray(image.permute(1, 2, 0).numpy())}
        pictures |= {title: made(net, image) for title, net in self.networks.items()}
        results = {title: measured(net, image) for title, net in self.networks.items()}
        return Seen(pictures, told(results, unit), drawn(measure(self.networks, image), unit))

    def made(self, seed: int) -> Seen:
        """What the generator makes of the noise of a seed, measured on larger fields of it."""
        pictures, results, patches = {}, {}, []
        labels = in_order(SAMPLED, len(self.net.classes)) if self.net.classes else None
        for title, net in self.networks.items():
            generator = cast(Generator, net.network)
            images = generate(generator, noise(net, seed, SAMPLES, SAMPLED), labels)
            fields = generate(generator, noise(net, seed, FIELDS, FIELD_COUNT, FIELD_GRID, FIELD_GRID))
            pictures[title] = painted(make_grid(images.cpu(), nrow=ACROSS))
            results[title] = grid_of(fields, net.period)
            patches += [cut(title, fields[:1].cpu(), results[title])]
        shown = (
            {"classes, in order": ", ".join(self.net.classes[i] for i in labels.unique())} if labels is not None else {}
        )
        return Seen(pictures, shown | told(results, "grey levels"), drawn([each for each in patches if each], GREY))


def noise(net: Trained, seed: int, purpose: int, count: int, *grid: int) -> Tensor:
    """Latents (count, latent, *grid) of a seed."""
    return torch.randn(count, net.latent or 0, *grid, generator=random(seed, purpose))


def taken(net: Trained) -> Tensor:
    """What a generator that is repaired is fitted on, as it takes it."""
    made = noise(net, 0, SAMPLES, FITTED)
    return labelled(made, in_turn(FITTED, len(net.classes)), len(net.classes)) if net.classes else made


def told(results: dict[str, ShiftResult] | dict[str, OutputResult], unit: str) -> dict[str, str]:
    """The verdict on each network, in words that stand alone."""
    found = {title: verdict(result, unit) for title, result in results.items()}
    return {title: each.replace("none shown", "no fixed pattern shown", 1) for title, each in found.items()}


def painted(image: Tensor) -> NDArray[np.uint8]:
    """(C, H, W) uint8 as (H, W, 3)."""
    return np.ascontiguousarray(image.expand(3, -1, -1).permute(1, 2, 0).numpy())


def device_of(net: Trained) -> torch.device:
    """Where a network is."""
    return next(net.parameters()).device


def overlay(net: Trained, image: Tensor) -> NDArray[np.uint8]:
    """The image with the likeliest classes laid over."""
    inference = Inference(net.period, max(WINDOW, net.period))
    seen = as_channels(image, net.channels)[None].to(device_of(net))
    mask = inference.classes(net, seen)[0].to("cpu", torch.uint8).numpy()
    return overlaid(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), mask, net.palette, OPACITY)


def coloured(net: Trained, image: Tensor) -> NDArray[np.uint8]:
    """The value of each pixel, in colours that span those of training."""
    inference = Inference(net.period, max(WINDOW, net.period))
    seen = as_channels(image, net.channels)[None].to(device_of(net))
    values = torch.cat([torch.as_tensor(strip)[0, 0].cpu() for strip in inference.strips(net, seen)])
    return Values(**net.config["values"]).picture(values)


def unit_of(net: Trained) -> str:
    """Of a regression's values."""
    return (net.config.get("values") or {}).get("unit") or "units of the data"


def enlarged(net: Trained, image: Tensor) -> NDArray[np.uint8]:
    """The image enlarged."""
    return painted(enlarge(net, image))


def measured(net: Trained, image: Tensor) -> ShiftResult:
    """The pattern, by shifting tiles of the image; of a network that enlarges, of these reduced first."""
    scale, seen = net.period, as_channels(image, net.channels).to(device_of(net))
    direct = net.task in ("segmentation", "regression")  # whose output is as large as what they take
    if net.task == "segmentation":
        grid = GridByShifting(net.period, channels=net.classes, classes=True)
    else:
        grid = GridByShifting(scale)

    def reduced(x: Tensor) -> Tensor:
        return 255 * net(shrink(x, scale))

    for tile in tiles(seen, max(TILE, grid.needed), scale):
        grid.update(net if direct else reduced, tile[None])
    return grid.result()


def tiles(image: Tensor, side: int, multiple: int) -> list[Tensor]:
    """Up to ROWS x COLUMNS parts of (C, H, W) spread over it, `side` pixels a side, rounded up to whole multiples; the
    image itself where it is smaller."""
    side = -(-side // multiple) * multiple
    height, width = image.shape[-2:]
    if min(height, width) < side:
        return [image[:, : height // multiple * multiple, : width // multiple * multiple]]
    down, across = (min(most, n // side) for most, n in ((ROWS, height), (COLUMNS, width)))
    tops, lefts = (torch.linspace(0, n - side, k).long().tolist() for n, k in ((height, down), (width, across)))
    return [image[:, top : top + side, left : left + side] for top in tops for left in lefts]


def by_class(networks: dict[str, Trained], image: Tensor) -> list[Patch]:
    """The middle of the image, magnified: the logit of the class that is commonest there, or a regression's value."""
    first = next(iter(networks.values()))
    side = room(first.period)
    if first.period < 2 or min(image.shape[-2:]) < side:
        return []
    part = middle(as_channels(image, first.channels), (side, side)).to(device_of(first))
    commonest = int(first(part[None]).mean((0, 2, 3)).argmax())
    return [patch(title, net, part, net.period, commonest) for title, net in networks.items()]


def by_luma(networks: dict[str, Trained], image: Tensor) -> list[Patch]:
    """The middle of the image, reduced and enlarged again, magnified: its luma."""
    first = next(iter(networks.values()))
    side = room(first.period)
    if min(image.shape[-2:]) < side:
        return []
    part = middle(as_channels(image, first.channels), (side, side)).to(device_of(first))

    def made(net: nn.Module, x: Tensor) -> Tensor:
        return luma(255 * net(shrink(x, first.period)))

    return [patch(title, partial(made, net), part, net.period, 0) for title, net in networks.items()]


@rc_context({"font.size": 12, "text.parse_math": False})
def drawn(patches: list[Patch], unit: str) -> bytes | None:
    """A PNG of patches, each beside what the grid adds to it; None without any."""
    if not patches:
        return None
    figure = Figure(figsize=(4.4 * 2 * len(patches), 5.8), layout="constrained", dpi=100)
    draw_patches(figure, list(figure.subplots(1, 2 * len(patches))), patches, unit)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
