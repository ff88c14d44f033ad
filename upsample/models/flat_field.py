"""The flat-field test: constant colours in, and what comes out that is not constant.

What a network of period p makes of a constant repeats with p wherever its borders do not reach. The mean over each
place of the period, in the middle of the output, is the pattern that the whole network prints on flat areas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from upsample.models.evaluating import evaluating
from upsample.models.period import enlarges, period_of, scale_of
from upsample.models.tracing import Trace, trace

LEVELS = (-1.0, 0.0, 1.0)  # of the input's units: a normalised image's deviation around its mean
VISIBLE = 0.005  # of what the output differs by from colour to colour: a pattern above that is one
ROUNDING = 1e-5  # of the output's root mean square
PERIODS = 24  # along each side of what is fed, of whole periods


@dataclass(frozen=True)
class FlatField:
    """What a model makes of constant colours. str() is a paragraph.

    period   of its grid, in output pixels
    size     of the input that was fed, pixels along each axis
    colours  (M, channels): that were fed
    printed  (M, outputs): rms of the pattern that repeats with the period, by colour and output channel
    ripple   (M,): rms of what is left in the middle, over channels: borders that reach there, not the grid
    answers  (M, outputs): the mean answer to each colour
    """

    period: int
    size: tuple[int, ...]
    colours: Tensor
    printed: Tensor
    ripple: Tensor
    answers: Tensor

    @property
    def deviation(self) -> float:
        """What the answers differ by from colour to colour, rms over channels."""
        return (self.answers - self.answers.mean(0)).square().mean().sqrt().item()

    @property
    def pattern(self) -> float:
        """The pattern's rms over all colours and channels, in the output's units."""
        return self.printed.square().mean().sqrt().item()

    @property
    def worst(self) -> tuple[int, int]:
        """(colour, channel) of the strongest pattern."""
        return divmod(int(self.printed.argmax()), self.printed.shape[1])

    @property
    def shown(self) -> bool:
        """Whether a pattern is larger than rounding, half a percent of what colours differ by, and borders' ripple."""
        return bool((self._large & ~self._drowned).any())

    @property
    def drowned(self) -> bool:
        """Whether nothing is shown, but what borders make in the middle would hide or feign a pattern."""
        return not self.shown and bool((self._drowned & self._large).any())

    @property
    def _large(self) -> Tensor:
        return self.printed > max(VISIBLE * self.deviation, ROUNDING * self._size())

    @property
    def _drowned(self) -> Tensor:
        """(M, 1) bool: colours of which borders make more in the middle than the pattern, of which some is theirs."""
        return (self.printed.square().mean(1).sqrt() <= self.ripple)[:, None]

    def _size(self) -> float:
        return self.answers.square().mean().sqrt().item()

    def __str__(self) -> str:
        share = f", {self.pattern / self.deviation:.2%} of what colours differ by" if self.deviation else ""
        colour, channel = self.worst
        fed = " ".join(f"{value:g}" for value in self.colours[colour].tolist()[:4])
        least = max(VISIBLE * self.deviation, ROUNDING * self._size())
        below = f"below {least:.2g}" if least else "the output is 0 everywhere, whatever the colour"
        lines = [
            f"flat field: {len(self.colours)} constant colours of {'x'.join(map(str, self.size))} pixels",
            f"pattern of period {self.period}: "
            + (
                f"{self.pattern:.2g} rms{share}; most in output channel {channel} on the colour ({fed}), "
                f"{self.printed.max().item():.2g}"
                if self.shown
                else f"not measured: borders make {self.ripple.max().item():.2g} rms in the middle; feed larger images"
                if self.drowned
                else f"none shown ({below})"
            ),
        ]
        ripple = self.ripple.max().item()
        if not self.drowned and ripple > max(self.pattern, ROUNDING * self._size()):
            lines.append(
                f"borders reach the middle, where they make {ripple:.2g} rms that does not repeat with the period"
            )
        return "\n".join(lines)


def flat_field(
    model: nn.Module,
    example: Tensor | Sequence[Any] | None = None,
    colours: Tensor | None = None,
    periods: int = PERIODS,
) -> FlatField:
    """Feed constant colours to the model, in evaluation mode, and measure what is not constant of its largest output.

    example  what forward takes, for its shape: a tensor (1, channels, *size) or a sequence that begins with one, whose
             others are fed as they are; None: what the first layer would take
    colours  (M, channels) in the model's units; None: black, grey and white, and each channel alone up and down, of
             -1, 0 and 1
    periods  at least so many along each side of what is fed, where the model takes that; over three axes a fourth,
             but six
    The model is left as it was.
    Raises ValueError where it cannot be fed, enlarges nothing, or its forward cannot be followed.
    """
    fed = None if example is None else ((example,) if isinstance(example, Tensor) else tuple(example))
    with evaluating(model):
        return flat_field_of(model, trace(model, fed, operators=True), fed, colours, periods)


def flat_field_of(
    model: nn.Module,
    followed: Trace,
    fed: tuple[Any, ...] | None = None,
    colours: Tensor | None = None,
    periods: int = PERIODS,
) -> FlatField:
    """`flat_field` of a model in evaluation mode that was followed already."""
    with torch.no_grad():
        period, scale = period_of(followed), scale_of(followed)
        if period < 2 and enlarges(followed):
            raise ValueError(
                "the period is not known: the output is no whole number of times as large as what is enlarged, as "
                "where convolutions without padding follow"
            )
        if period < 2:
            raise ValueError("the model enlarges nothing, so that it has no grid to print")
        channels, axes = followed.size[1], len(followed.size) - 2
        step = max(1, period // scale)
        wanted = tuple(max(n, (periods if axes < 3 else max(6, periods // 4)) * step) for n in followed.size[2:])
        if colours is None:
            colours = colours_of(channels)
        some = next((p for p in model.parameters()), torch.zeros(()))
        colours = colours.to(device=some.device, dtype=some.dtype)
        size, outputs = _largest_fed(model, colours, (wanted, tuple(followed.size[2:])), fed)
        middle = [
            slice(first := n // 3 // period * period, first + max(1, n // 3 // period) * period)
            for n in outputs.shape[2:]
        ]
        inner = outputs[:, :, *middle].double().cpu()
        blocks = inner
        for a in reversed(range(axes)):
            blocks = blocks.unflatten(2 + a, (-1, period))
        over = tuple(range(2, 2 + 2 * axes, 2))
        phases = blocks.mean(over, keepdim=True)
        answers = inner.flatten(2).mean(2)
        mean = answers.view(*answers.shape, *[1] * 2 * axes)
        printed = (phases - mean).square().flatten(2).mean(2).sqrt()
        ripple = (blocks - phases).square().flatten(1).mean(1).sqrt()
    return FlatField(period, size, colours.double().cpu(), printed, ripple, answers)


def colours_of(channels: int) -> Tensor:
    """Black, grey and white, and each channel alone, up and down; of many channels eight alone."""
    rows = [torch.full((channels,), level) for level in LEVELS]
    for channel, level in product(range(min(channels, 8) if channels > 1 else 0), (-1.0, 1.0)):
        row = torch.zeros(channels)
        row[channel] = level
        rows.append(row)
    return torch.stack(rows)


def _largest_fed(
    model: nn.Module, colours: Tensor, sizes: Sequence[tuple[int, ...]], fed: tuple[Any, ...] | None
) -> tuple[tuple[int, ...], Tensor]:
    """The first of the sizes that the model takes, and its largest output, (M, channels, *size), colour by colour."""
    rest = () if fed is None else fed[1:]
    for size in dict.fromkeys(sizes):
        found = []
        try:
            for colour in colours:
                x = colour.view(1, -1, *[1] * len(size)).expand(1, -1, *size)
                leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(model(x, *rest)) if isinstance(leaf, Tensor)]
                found.append(max(leaves, key=lambda leaf: leaf.numel()))
        except Exception as error:  # whatever the model's own code raises for a size that is not its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            continue
        output = torch.cat(found)
        if output.dim() != 2 + len(size):
            raise ValueError(f"its output has the shape {tuple(output.shape)}, which is no image of {len(size)} axes")
        return size, output
    raise ValueError(f"the model could not be fed constant colours: {reason}")
