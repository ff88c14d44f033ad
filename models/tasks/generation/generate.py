"""Random numbers that depend on a seed, what they are for and the step alone, and the images made of them."""

import numpy as np
import torch
from torch import Tensor

from models.networks.adversarial import Generator, labelled
from models.tasks.generation.fields import fields

TRAINING, SAMPLES, VALIDATION, TEST, FIELDS = range(5)  # what random numbers are for; each has a stream of its own
BATCH = 64  # images at a time


def random(seed: int, purpose: int, step: int = 0) -> torch.Generator:
    """A generator on the CPU, the same in a resumed run and on any device."""
    state = np.random.SeedSequence((seed, purpose, step)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def in_turn(count: int, classes: int) -> Tensor:
    """The number of a class for each of `count` images, (count,) int64: one of each class, and again."""
    return torch.arange(count) % classes


def in_order(count: int, classes: int) -> Tensor:
    """The same, the images of a class side by side, as many of each as can be."""
    return torch.arange(count) * classes // count


@torch.no_grad()
def generate(generator: Generator, latents: Tensor, labels: Tensor | None = None) -> Tensor:
    """(N, C, S, S) uint8 images of latents (N, latent), or larger fields of grids of latents (N, latent, g, h).

    labels  of a generator of classes, the number of each image's, (N,) int64; None: all classes in turn
    Rounded as in a file, so that they are scored as real images are; in float32, by a generator in its evaluating mode.
    """
    training, device = generator.training, next(generator.parameters()).device
    if generator.classes is not None:
        asked = in_turn(len(latents), generator.classes) if labels is None else labels
        latents = labelled(latents, asked.to(latents.device), generator.classes)
    generator.eval()
    with torch.autocast(device.type, enabled=False):
        batches = latents.to(device).split(BATCH)
        images = torch.cat([fields(generator, z) if z.ndim == 4 else generator(z) for z in batches])
    generator.train(training)
    return (127.5 * (images + 1)).round().clamp(0, 255).byte()
