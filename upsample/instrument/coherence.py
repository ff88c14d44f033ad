"""Is a phase common to all images, beyond chance? The test behind both measures, calibrated by draws of a null."""

from collections.abc import Callable

import torch
from torch import Tensor

from upsample.instrument.harmonics import Harmonics

MINIMUM_IMAGES = 6  # with fewer, too few signs and rolls differ for a probability below 5 %
DRAWS = 499  # a probability is then a multiple of 1/500
FEW, UNLIKELY = 99, 0.2  # after so many draws a probability above this is told (as Besag & Clifford, 1991)
MOST = 4.0  # times: an image counts by what it has at the harmonics over what it has beside, at most so much
CHUNK = 2**19  # complex numbers at a time, which a processor's cache holds

# Of (draws, frequencies (K, 2), frequencies aside of each image (N, P, J, 2), generator), the factors that make
# coefficients of the null: (K, draws, N) of the harmonics and (P, J, draws, N) of what lies so far aside of them.
Null = Callable[[int, Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


def rolls(draws: int, frequency: Tensor, aside: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each image moved by whole pixels of its own: what has no place on the grid stays as likely as it was."""
    by = torch.randint(2**20, (draws, len(aside), 2), generator=generator).double()
    return _turned(torch.einsum("dna,ka->kdn", by, frequency)), _turned(torch.einsum("dna,npja->pjdn", by, aside))


def _turned(turns: Tensor) -> Tensor:
    turns = torch.remainder(turns, 1).float()
    return torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)


def flips(draws: int, frequency: Tensor, aside: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each image's pattern with a sign of its own: what is zero in the mean stays so (the wild bootstrap; Wu, 1986)."""
    signs = 2.0 * torch.randint(2, (draws, len(aside)), generator=generator) - 1
    count, many = aside.shape[1:3]
    return (
        signs.to(torch.complex64).expand(len(frequency), -1, -1),
        torch.ones(count, many, draws, len(aside), dtype=torch.complex64),
    )


def probability(
    z: Tensor,
    harmonics: Harmonics,
    gain: Tensor,
    null: Null,
    beside: tuple[Tensor, Tensor] | None,
    generator: torch.Generator,
) -> Tensor:
    """(C + 1, P): the family-wise probability of as clear a pattern without any, of coefficients z (N, C, K).

    The last row is of all channels together; NaN where images are too few to tell. Arguments as of `fixed_pattern`.

    Every image counts alike, however strong its contrast: its coefficients have unit length within a channel and
    period or, where it is known what lies beside, the length that they have over that, at most MOST. A pattern in some
    of the images then stands above the others'. Of their mean's squared length, harmonic by harmonic over what images
    without a common phase would give (and over what is common beside the harmonic), two scores are taken, the sum
    (power in many harmonics) and the largest (in one). Their maximum over channels, periods and scores is compared with
    the maximum of the null's draws.
    """
    count, channels, total = z.shape
    bands = [harmonics.of(q) for q in harmonics.periods]
    if count < MINIMUM_IMAGES:
        return torch.full((channels + 1, len(bands)), torch.nan, dtype=torch.float64)
    every = z[..., None]
    aside = torch.zeros(count, len(bands), 0, 2, dtype=torch.float64)
    if beside is not None:
        every, aside = torch.cat([every, beside[0].to(z)], -1), beside[1].double()
    of_band = torch.stack(bands).long().argmax(0)  # (K,)
    unit = torch.zeros_like(every)
    for band in bands:
        power = (every[:, :, band].abs().square() * harmonics.multiple[band, None]).sum(2)  # (N, C, F)
        length = power[..., :1, None].sqrt()
        weight = torch.ones_like(length)
        if beside is not None:
            weight = (length / power[..., 1:].mean(-1)[..., None, None].sqrt().clamp_min(1e-300)).clamp_max(MOST)
        unit[:, :, band] = torch.where(length > 0, weight * every[:, :, band] / length.clamp_min(1e-300), 0)
    unit = unit.to(torch.complex64).movedim((2, 3), (0, 1))  # (K, F, N, C)
    alone = unit[:, 0].abs().square().sum(1)  # (K, C)

    def scores(own: Tensor, around: Tensor) -> Tensor:
        """(D, C + 1, P, 2) of the factors (K, D, N) and (P, J, D, N)."""
        factors = torch.cat([own[:, None], own[:, None] * around[of_band]], 1)
        power = (factors.flatten(0, 1) @ unit.flatten(0, 1)).abs().square().unflatten(0, (total, -1))  # (K, F, D, C)
        expected = alone[:, None].expand_as(power[:, 0])
        if beside is not None:
            common = power[:, 1:].unflatten(1, (4, -1)).mean(2).amax(1)
            expected = torch.maximum(expected, common)
        over = torch.cat([power[:, 0], power[:, 0].sum(-1, keepdim=True)], -1)
        ratio = over / torch.cat([expected, expected.sum(-1, keepdim=True)], -1).clamp_min(1e-30)
        # A coefficient that is its own mirror is real, and its power has a longer tail.
        real = (harmonics.multiple == 1)[:, None, None]
        rarity = torch.where(real, -torch.special.erfc((ratio.double() / 2).sqrt()).clamp_min(1e-300).log(), ratio)
        pairs = [torch.stack([ratio[band].double().sum(0), rarity[band].amax(0)], -1) for band in bands]
        return torch.stack(pairs, 2)

    nothing = torch.ones(1, 1, count, dtype=torch.complex64)
    found = scores(nothing.expand(total, -1, -1), nothing.expand(len(bands), aside.shape[2], 1, -1))
    at_a_time = max(1, CHUNK // (unit[..., 0].numel()))
    drawn = torch.empty(0, *found.shape[1:], dtype=found.dtype)
    for draws in (FEW, DRAWS):
        while len(drawn) < draws:
            size = min(at_a_time, draws - len(drawn))
            drawn = torch.cat([drawn, scores(*null(size, harmonics.frequency, aside, generator))])
        worst = _rarity(drawn, drawn).amax((1, 2, 3))
        each = _rarity(found, drawn)[0].amax(-1)
        p = (1 + (worst >= each[..., None] * (1 - 1e-6)).sum(-1)).double() / (draws + 1)
        if p.min() > UNLIKELY:
            break
    few = torch.stack([(gain[:, band] > 0).any(1).sum() < MINIMUM_IMAGES for band in bands])
    return torch.where(few, torch.nan, p)


def _rarity(scores: Tensor, drawn: Tensor) -> Tensor:
    """-log of about the probability of scores (D, C + 1, P, 2) under laws with the moments of the null's draws.

    A gamma law for sums, Gumbel's for largest values. They only bring different channels, periods and scores to one
    scale: what is told is calibrated on the draws.
    """
    mean, deviation = drawn.mean(0), drawn.std(0).clamp_min(1e-9)
    shape = (mean / deviation).square().clamp(1e-6, 1e6)
    tail = torch.special.gammaincc(
        shape[..., 0].expand_as(scores[..., 0]), scores[..., 0] * shape[..., 0] / mean[..., 0].clamp_min(1e-30)
    )
    scale = deviation[..., 1] * 6**0.5 / torch.pi
    high = (scores[..., 1] - mean[..., 1]) / scale + 0.5772
    return -torch.stack([tail, -torch.expm1(-torch.exp(-high))], -1).clamp_min(1e-300).log()
