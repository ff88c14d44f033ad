"""What repeats with the grid in many images alike: how large it is, with an interval, and whether it is shown at all.

Both measures, by shifting the input and on outputs alone, end in the coefficients of a pattern's harmonics in each
image. Here they are averaged, tested and told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

from upsample.instrument.harmonics import Harmonics

MINIMUM_IMAGES = 6  # with fewer, too few signs and rolls differ for a probability below 5 %
DRAWS = 499  # of the null and of the bootstrap; a probability is then a multiple of 1/500
LEVEL = 0.05
MOST = 0.95
CHUNK = 2**23  # complex numbers at a time

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


@dataclass
class FixedPattern:
    """The pattern common to images, by channel and exclusive period. All in the images' own units.

    harmonics    the frequencies it is made of
    coefficient  (C, K) complex128, the mean over images
    rms          (C,) float64: the pattern's root mean square without what noise adds to it, of the periods that are
                 shown, or of all where none is; low and high its 95 % interval (bootstrap over images)
    by_period    (C, P) float64: the rms by exclusive period, in the order of harmonics.periods
    overall      (3,): the rms over all channels, and its interval
    limit        (C,): what the rms lies below with 95 % confidence, where no pattern is shown
    p            (C + 1, P): family-wise probability of as clear a pattern without any; the last row is of all channels
                 together. NaN where images are too few to tell
    images       that were averaged
    """

    harmonics: Harmonics
    coefficient: Tensor
    rms: Tensor
    low: Tensor
    high: Tensor
    by_period: Tensor
    overall: Tensor
    limit: Tensor
    p: Tensor
    images: int

    @property
    def shown(self) -> bool:
        """Whether there is a pattern in any channel at any period, at a family-wise level of 5 %."""
        return bool((self.p <= LEVEL).any())

    @property
    def periods(self) -> list[int]:
        """The periods whose own harmonics are shown, longest first."""
        shown = (self.p <= LEVEL).any(0).tolist()
        return sorted((q for q, yes in zip(self.harmonics.periods, shown, strict=True) if yes), reverse=True)

    @property
    def period(self) -> int:
        """Of the pattern as a whole, to MOST of its power, over the periods that are shown; 1 where none is."""
        power = self.by_period.square().sum(0)
        shown = sorted(self.periods, key=lambda q: -power[self.harmonics.periods.index(q)].item())
        whole = sum(power[self.harmonics.periods.index(q)].item() for q in shown)
        told, found = 0.0, 1
        for q in shown:
            if told >= MOST * whole:
                break
            told, found = told + power[self.harmonics.periods.index(q)].item(), lcm(found, q)
        return found

    @property
    def tested(self) -> bool:
        """Whether there were images enough to tell, at any period."""
        return not bool(self.p.isnan().all())

    def share(self, deviation: Tensor) -> float | None:
        """The rms over all channels as a share of the deviation (C,) over all channels; None where that is 0."""
        whole = deviation.square().mean().sqrt().item()
        return self.overall[0].item() / whole if whole else None

    def worst(self, deviation: Tensor) -> tuple[int, float] | None:
        """The channel with the largest rms as a share of its own deviation (C,), and that share."""
        shares = torch.where(deviation > 0, self.rms / deviation.clamp_min(1e-300), 0)
        return (int(shares.argmax()), shares.max().item()) if deviation.any() else None

    def scores(self, deviation: Tensor) -> dict[str, float]:
        """What was found as plain numbers, for images of this deviation (C,).

        `fixed` is the rms over all channels, with `/low` and `/high` (95 %), and `/share` of the deviation;
        `fixed/worst` the largest share in a channel; `fixed/p2` ... the rms by exclusive period; `fixed/period` of the
        pattern as a whole, 1 where none is shown; `fixed/probability` the family-wise one of as clear a pattern
        without any; `fixed/limit` what the rms of every channel lies below. What is not known is left out.
        """
        scores = dict(zip(("fixed", "fixed/low", "fixed/high"), self.overall.tolist(), strict=True))
        share, worst = self.share(deviation), self.worst(deviation)
        if share is not None and worst is not None:
            scores |= {"fixed/share": share, "fixed/worst": worst[1]}
        for q, power in zip(self.harmonics.periods, self.by_period.square().mean(0).tolist(), strict=True):
            scores[f"fixed/p{q}"] = power**0.5
        scores["fixed/limit"] = self.limit.max().item()
        if self.tested:
            known = self.p[~self.p.isnan()]
            scores |= {"fixed/period": float(self.period), "fixed/probability": known.min().item()}
        return scores

    def drawn(self, size: int) -> Tensor:
        """(C, size, size) float64: the mean pattern itself."""
        return self.harmonics.draw(self.coefficient, size)


def fixed_pattern(
    coefficients: Tensor,
    harmonics: Harmonics,
    null: Null,
    gain: Tensor | None = None,
    beside: tuple[Tensor, Tensor] | None = None,
    floor: Tensor | None = None,
) -> FixedPattern:
    """Average, test and size the pattern of images.

    coefficients  (N, C, K) complex, of each image, as `Harmonics.read` gives them
    gain          (N, K): what share of the pattern each coefficient holds; None: all of it
    null          `rolls` or `flips`
    beside        what the images have beside each harmonic: coefficients (N, C, K, 4 * J) at J frequencies in each of
                  four directions, and how far aside those are, (N, P, 4 * J, 2), by period. A pattern must stand above
                  what the images have in common there, too, such as an outline that all of them share

    floor         (C,): a pattern of a smaller rms is not told from what else makes one, and so not shown

    The rms is unbiased before its root is taken: only products of different images enter it. Raises ValueError for
    fewer than two images.
    """
    count = len(coefficients)
    if count < 2:
        raise ValueError(f"a fixed pattern is what images have in common, so it takes at least two, not {count}")
    z = coefficients.to(torch.complex128).cpu()
    gain = torch.ones(count, z.shape[2], dtype=torch.float64) if gain is None else gain.double().cpu()
    generator = torch.Generator().manual_seed(0)
    total = gain.sum(0)
    pairs = (total.square() - gain.square().sum(0)) / (count * (count - 1))  # 1 where every gain is 1
    seen = pairs > 1e-6  # harmonics that the shifts chosen cannot tell are left out
    coefficient = torch.where(seen, z.sum(0) / total.clamp_min(1e-12), 0)
    scaled = torch.where(seen, z / pairs.clamp_min(1e-12).sqrt(), 0) * harmonics.multiple.sqrt()

    bands = [harmonics.of(q) for q in harmonics.periods]
    gram = torch.stack([_gram(scaled[..., band]) for band in bands], 1)  # (C, P, N, N)
    once = torch.ones(1, count, dtype=torch.float64)
    by_period = _root(_cross(gram, once)[..., 0])
    floor = torch.zeros(z.shape[1], dtype=torch.float64) if floor is None else floor.double().cpu()
    above = by_period > floor[:, None]
    p = _probability(z, harmonics, bands, gain, null, beside, generator)
    p = torch.where(p.isnan() | torch.cat([above, above.any(0, keepdim=True)]), p, 1)
    told = (p <= LEVEL).any(0)
    whole = gram.sum(1)
    kept = gram[:, told].sum(1) if told.any() else whole
    power, spread = _cross(kept, once)[..., 0], _cross(kept, _resampled(count, generator))
    low, high = _interval(spread)
    every = _interval(_cross(whole, _resampled(count, generator)))[1]
    nothing = _cross(whole, flips(DRAWS, once.T, torch.zeros(count, 0, 0, 2), generator)[0][0].real.double())
    return FixedPattern(
        harmonics,
        coefficient,
        _root(power),
        low,
        high,
        by_period,
        torch.stack([_root(power.mean()), *_interval(spread.mean(0))]),
        torch.stack([every, _root(nothing.quantile(1 - LEVEL, -1)), floor]).amax(0),
        p,
        count,
    )


def interval_of_mean(values: Tensor, seed: int = 0) -> Tensor:
    """(3,) float64: the mean of values (N,), and its 95 % interval (bootstrap)."""
    drawn = _resampled(len(values), torch.Generator().manual_seed(seed)) @ values / len(values)
    ends = drawn.quantile(torch.tensor([LEVEL / 2, 1 - LEVEL / 2], dtype=drawn.dtype))
    return torch.cat([values.mean()[None], ends])


def _resampled(count: int, generator: torch.Generator) -> Tensor:
    """(DRAWS, count) float64: how often each of `count` images is drawn in samples of as many."""
    again = torch.multinomial(torch.ones(count), count * DRAWS, replacement=True, generator=generator)
    return torch.nn.functional.one_hot(again.view(DRAWS, count), count).sum(1).double()


def _gram(x: Tensor) -> Tensor:
    """(C, N, N): real products of the images' patterns (N, C, K)."""
    flat = torch.view_as_real(x).movedim(1, 0).flatten(2)
    return flat @ flat.mT


def _cross(gram: Tensor, weights: Tensor) -> Tensor:
    """(..., D): the weighted mean of the products of different images, gram (..., N, N), for weights (D, N)."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    square = torch.einsum("...dn,dn->...d", weights @ gram, weights) - diagonal @ weights.square().T
    pairs = weights.abs().sum(1).square() - weights.square().sum(1)
    return square / pairs.clamp_min(1)  # 0 / 0 where one image was drawn every time


def _root(power: Tensor) -> Tensor:
    return power.clamp_min(0).sqrt()


def _interval(spread: Tensor) -> tuple[Tensor, Tensor]:
    low, high = spread.quantile(torch.tensor([LEVEL / 2, 1 - LEVEL / 2], dtype=spread.dtype), -1)
    return _root(low), _root(high)


def _probability(
    z: Tensor,
    harmonics: Harmonics,
    bands: list[Tensor],
    gain: Tensor,
    null: Null,
    beside: tuple[Tensor, Tensor] | None,
    generator: torch.Generator,
) -> Tensor:
    """See FixedPattern.p.

    Every image counts as one, however strong its contrast: its coefficients have unit length within a channel and
    period. Of their mean's squared length, harmonic by harmonic over what images without a common phase would give
    (and over what is common beside the harmonic), two scores are taken, the sum (power in many harmonics) and the
    largest (in one). Their maximum over channels, periods and scores is compared with the maximum of the null's draws.
    """
    count, channels, total = z.shape
    if count < MINIMUM_IMAGES:
        return torch.full((channels + 1, len(bands)), torch.nan, dtype=torch.float64)
    every = z[..., None]
    aside = torch.zeros(count, len(bands), 0, 2, dtype=torch.float64)
    if beside is not None:
        every, aside = torch.cat([every, beside[0].to(z)], -1), beside[1].double()
    of_band = torch.stack(bands).long().argmax(0)  # (K,)
    unit = torch.zeros_like(every)
    for band in bands:
        length = (z[..., band].abs().square() * harmonics.multiple[band]).sum(-1)[..., None, None].sqrt()
        unit[:, :, band] = torch.where(length > 0, every[:, :, band] / length.clamp_min(1e-300), 0)
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
    sizes = [min(at_a_time, DRAWS - done) for done in range(0, DRAWS, at_a_time)]
    drawn = torch.cat([scores(*null(size, harmonics.frequency, aside, generator)) for size in sizes])
    worst = _rarity(drawn, drawn).amax((1, 2, 3))
    each = _rarity(found, drawn)[0].amax(-1)
    p = (1 + (worst >= each[..., None] * (1 - 1e-6)).sum(-1)).double() / (DRAWS + 1)
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
