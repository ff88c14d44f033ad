"""Images without any grid: 1/f noise, whose spectrum falls as photographs' do."""

from collections.abc import Iterator

import torch
from torch import Tensor


def pink_parts(count: int, height: int, width: int, seed: int) -> Iterator[Tensor]:
    """What `pink_noise` returns, 16 images at a time, which a processor's cache holds."""
    generator = torch.Generator().manual_seed(seed)
    tall, wide = 2 * height, 2 * width
    frequency = torch.hypot(torch.fft.fftfreq(tall)[:, None], torch.fft.rfftfreq(wide)[None, :])
    frequency[0, 0] = torch.inf
    for done in range(0, count, 16):
        left = min(16, count - done)
        white = torch.randn(-(-left // 4), 1, tall, wide, generator=generator)
        fields = torch.fft.irfft2(torch.fft.rfft2(white) / frequency, s=(tall, wide))
        quarters = fields.unflatten(-2, (2, height)).unflatten(-1, (2, width)).movedim((2, 4), (0, 1))
        noise = quarters.reshape(-1, 1, height, width)[:left]
        noise = noise - noise.mean((-2, -1), keepdim=True)
        yield noise / noise.std((-2, -1), keepdim=True) if height * width > 1 else noise  # one pixel has no deviation


def pink_noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """(count, 1, height, width) float32 noise whose power falls as 1/f**2, like photographs'; unit variance.

    Four images are the quarters of one field, so that their borders do not match, as no photograph's do. Quarters of
    the same field are not quite independent of each other: their coefficients along the axes cancel in part.
    """
    return torch.cat(list(pink_parts(count, height, width, seed)))
