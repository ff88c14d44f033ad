"""Images out of noise, as files."""

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from data.reduced.bicubic import to_uint8
from models.tasks.common_size import spread
from models.tasks.generation.generate import in_order
from models.tasks.generation.report import write_grid
from models.tasks.picture_files import picture_of, write_picture
from models.trained.saved import Trained
from plumbing.options import unknown

GENERATED = 64  # images at a time, and in the grid


def asked(net: Trained, count: int, name: str | None) -> Tensor | None:
    """The class of each of `count` images, (count,) int64; None of a network without classes.

    name  of one for all, or its number, from 0; None: all in order, as many images of each as can be
    Raises ValueError for a class that there is not.
    """
    if name is None:
        return in_order(count, len(net.classes)) if net.classes else None
    numbers = {str(i): i for i in range(len(net.classes))} | {each: i for i, each in enumerate(net.classes)}
    if not net.classes:
        raise ValueError(f"--class={name}: this network was trained without classes (model.classes=auto); leave it out")
    if name not in numbers:
        raise ValueError(unknown("--class", name, net.classes))
    return torch.full((count,), numbers[name])


def folder_of(net: Trained, label: int) -> str:
    """The folder of a class's images, whatever letters its name has: its number, which keeps the order, and that."""
    plain = re.sub(r"[^\w -]", "_", net.classes[label])[:60]
    return f"{label:0{len(str(len(net.classes) - 1))}d}-{plain}"


@torch.no_grad()
def generate(net: Trained, count: int, seed: int, labels: Tensor | None = None) -> Iterator[Tensor]:
    """`count` images (C, S, S) uint8; the seed decides which, and of which class the labels of `asked`."""
    device = next(net.parameters()).device
    latents = torch.randn(count, net.latent or 0, generator=torch.Generator().manual_seed(seed))
    parts = latents.split(GENERATED)
    given = [()] * len(parts) if labels is None else [(each.to(device),) for each in labels.split(GENERATED)]
    for batch, label in zip(parts, given, strict=True):
        yield from to_uint8(255 * net(batch.to(device), *label)).cpu()


def write_samples(net: Trained, count: int, seed: int, output: Path, name: str | None = None) -> Iterator[None]:
    """Write samples/<number>.png, of a network of classes samples/<class>/<number>.png, and grid.png, which shows 64 of
    them, spread over all; yields after each sample.

    name  of the class, as `asked` has it
    """
    shown, labels = [], asked(net, count, name)
    wanted = set(range(GENERATED) if labels is None else spread(count, GENERATED))
    for i, image in enumerate(generate(net, count, seed, labels)):
        folder = output / "samples" / ("" if labels is None else folder_of(net, int(labels[i])))
        write_picture(folder / f"{i:0{len(str(count - 1))}d}.png", picture_of(image))
        shown += [image] if i in wanted else []
        yield
    write_grid(output / "grid.png", torch.stack(shown))
