"""Images out of noise, as files."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from models.tasks.generation.report import write_grid
from models.tasks.picture_files import picture_of, write_picture
from models.tasks.super_resolution.bicubic import to_uint8
from models.trained.saved import Trained

GENERATED = 64  # images at a time, and in the grid


@torch.no_grad()
def generate(net: Trained, count: int, seed: int) -> Iterator[Tensor]:
    """`count` images (C, S, S) uint8; the seed decides which."""
    device = next(net.parameters()).device
    latents = torch.randn(count, net.latent or 0, generator=torch.Generator().manual_seed(seed))
    for batch in latents.split(GENERATED):
        yield from to_uint8(255 * net(batch.to(device))).cpu()


def write_samples(net: Trained, count: int, seed: int, output: Path) -> Iterator[None]:
    """Write samples/<number>.png and grid.png, which shows the first 64; yields after each sample."""
    shown = []
    for i, image in enumerate(generate(net, count, seed)):
        write_picture(output / "samples" / f"{i:0{len(str(count - 1))}d}.png", picture_of(image))
        shown += [image] if i < GENERATED else []
        yield
    write_grid(output / "grid.png", torch.stack(shown))
