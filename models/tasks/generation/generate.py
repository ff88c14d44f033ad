"""Random numbers that depend on a seed, what they are for and the step alone, and the images made of them."""

import numpy as np
import torch
from torch import Tensor

from models.networks.dcgan import Generator
from models.tasks.generation.fields import fields

TRAINING, SAMPLES, VALIDATION, TEST, FIELDS = range(5)  # what random numbers are for; each has a stream of its own
BATCH = 64  # images at a time


def random(seed: int, purpose: int, step: int = 0) -> torch.Generator:
    """A generator on the CPU, the same in a resumed run and on any device."""
    state = np.random.SeedSequence((seed, purpose, step)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


@torch.no_grad()
def generate(generator: Generator, latents: Tensor) -> Tensor:
    """(N, C, S, S) uint8 images of latents (N, latent), or larger fields of grids of latents (N, latent, g, h).

    Rounded as in a file, so that they are scored as real images are; in float32, by a generator in its evaluating mode.
    """
    training, device = generator.training, next(generator.parameters()).device
    generator.eval()
    with torch.autocast(device.type, enabled=False):
        batches = latents.to(device).split(BATCH)
        images = torch.cat([fields(generator, z) if z.ndim == 4 else generator(z) for z in batches])
    generator.train(training)
    return (127.5 * (images + 1)).round().clamp(0, 255).byte()
