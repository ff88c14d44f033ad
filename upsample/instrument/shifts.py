"""The causal measure: what a network's grid does to its output, seen by shifting the input.

A network with strides lays a grid of period p over its input. Windows of one image that start at different places see
the same content at different places of that grid. Their outputs, shifted back, would be equal if the grid did nothing;
what differs is made by the grid, whatever the content, so there is no null to assume. (Coifman & Donoho, "Translation-
invariant de-noising" (1995), average over such shifts, "cycle spinning"; Zhang, "Making convolutional networks
shift-invariant again" (2019), counts how often the answer changes.)

The difference has two parts. The *fixed pattern* is its mean at each place of the grid, over images, places and shifts:
the checkerboard. The rest depends on the content as well: *content-locked error*, such as the stairs that
nearest-neighbour enlarging makes of an edge.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from upsample.instrument.coherence import flips
from upsample.instrument.fixed_pattern import FixedPattern, fixed_pattern, interval_of_mean
from upsample.instrument.harmonics import divisors, fold, harmonics
from upsample.instrument.records import Field, read, record

ROUNDING = 1e-5  # of the output's root mean square: float32 through a deep network differs by less for no reason
BORDER = 0.5  # of what borders make: a ramp is a sawtooth of 0.41 of it to a grid that starts at the border
AT_A_TIME = 8  # windows in one call of the network
TOLD = 0.05  # an image tells a harmonic of its own whose share in its windows' differences is at least this


@dataclass
class ShiftResult:
    """What the grid makes of the output, in the output's own units (logits, grey levels), of C channels.

    period     of the grid, in output pixels
    shifts     windows that each image was seen in, of `places` there are
    images     that were measured; `skipped`: those smaller than `needed` pixels a side
    channels   their names, C of them
    reason     why nothing was measured; "" where it was. All that follows is None then
    pattern    the fixed pattern: rms per channel with its interval, by exclusive period, and its test
    deviation  (C,) float64, the output's standard deviation over all images
    total      (C,): rms of all that the grid makes; content: of its content-locked part; border: of what differs
               between windows a whole period apart, which the grid does not make (already taken off the others)
    content_interval  (3,): content over all channels, and its 95 % interval (bootstrap over images)
    shift_moves    share of the pixels whose class differs between two windows of an image
    pattern_moves  share of the pixels whose class differs where an image's own mean pattern is taken off: what the
                   fixed pattern decides. Both None where the output is not of classes
    """

    period: int
    shifts: int
    places: int
    images: int
    skipped: int
    needed: int
    channels: list[str]
    reason: str = ""
    pattern: FixedPattern | None = None
    deviation: Tensor | None = None
    total: Tensor | None = None
    content: Tensor | None = None
    border: Tensor | None = None
    content_interval: Tensor | None = None
    shift_moves: float | None = None
    pattern_moves: float | None = None

    def scores(self) -> dict[str, float]:
        """What was measured as plain numbers: `FixedPattern.scores`, and more; nothing where nothing was.

        `content` is the content-locked rms over all channels, with `/low`, `/high` (95 %) and `/share` of the
        deviation; `shift_moves` and `pattern_moves` as above, for outputs of classes.
        """
        if self.pattern is None or self.deviation is None or self.content_interval is None:
            return {}
        scores = self.pattern.scores(self.deviation)
        scores |= dict(zip(("content", "content/low", "content/high"), self.content_interval.tolist(), strict=True))
        if whole := self.deviation.square().mean().sqrt().item():
            scores["content/share"] = scores["content"] / whole
        if self.shift_moves is not None and self.pattern_moves is not None:
            scores |= {"shift_moves": self.shift_moves, "pattern_moves": self.pattern_moves}
        return scores


class GridByShifting(Metric):
    """The measure over a data set: `update(network, images)`, then `result()`, or `compute()` for plain numbers.

    period    of the network's grid, in output pixels
    scale     output pixels per input pixel, a divisor of the period; windows move by whole input pixels
    shifts    windows of each image, at as many of the (period / scale)**2 places on the grid, drawn so that all images
              together use every place equally often; at most all. The more, the better content-locked error averages
              out
    margin    input pixels at each side of a window that are not compared, since its border reaches them; None: eight
              periods, which is all that a U-Net sees, or what leaves four periods to compare, but never less than two
              periods and 16 pixels
    window    largest side of a window in input pixels; None: what the image gives
    images    at most so many are measured; None: all
    channels  names of the output's channels; None: their numbers
    classes   whether the output is logits, so that pixels change their class: "one", or True, the largest of the
              channels, a single channel being a class above 0; "each": each channel is a class above 0

    A network that enlarges by its whole period and treats all input pixels alike (ESPCN, EDSR) moves by whole periods
    when its input moves by a pixel, which shows nothing. There the image is shifted before it is reduced: measure
    `lambda image: network(reduce(image))` with scale 1. Raises ValueError for settings that cannot be.
    """

    full_state_update = False

    def __init__(
        self,
        period: int,
        *,
        scale: int = 1,
        shifts: int = 8,
        margin: int | None = None,
        window: int | None = None,
        images: int | None = None,
        channels: Sequence[str] | None = None,
        classes: bool | Literal["one", "each"] = False,
    ) -> None:
        super().__init__()
        if scale < 1 or period % scale:
            raise ValueError(f"the scale must divide the period of {period} output pixels, and {scale} does not")
        self.step = period // scale  # the period in input pixels
        if self.step < 2:
            raise ValueError(
                f"a network of scale {scale} and period {period} moves by whole periods when its input moves by a "
                "pixel, which shows nothing; shift the image before it is reduced: measure "
                "lambda image: network(reduce(image)), with scale=1"
            )
        if shifts < 2:
            raise ValueError(f"shifts must be at least 2, or there is nothing to compare, not {shifts}")
        self.period, self.scale, self.channels, self.classes = period, scale, channels, classes
        self.shifts, self.most = min(shifts, self.step**2), images
        self.margin = margin
        # Windows start at up to `reach`: all places on the grid, and one a period further.
        self.reach = 2 * self.step - 1
        least = max(16, 2 * self.step) if margin is None else margin
        smallest = -(-(2 * least + self.reach + 2 * self.step) // self.step) * self.step
        self.needed = smallest + self.reach
        if window is not None and window < smallest:
            raise ValueError(
                f"window must be at least {smallest}, or nothing is left to compare between margins of {least} "
                f"pixels, not {window}"
            )
        self.window = window
        self.harmonics = harmonics(divisors(period))
        count = len(self.harmonics.index)
        self.fields: dict[str, Field] = {
            "coefficient": ("C", count, 2),
            "gain": (count,),
            "variance": ("C",),
            "border": ("C",),
            "mean": ("C",),
            "spread": ("C",),
            "moved": (2,),
        }
        self.add_state("records", default=[], dist_reduce_fx="cat")
        for name in ("images", "skipped"):
            self.add_state(name, default=torch.tensor(0), dist_reduce_fx="sum")
        self.records: list[Tensor]
        self.images: Tensor
        self.skipped: Tensor

    @property
    def full(self) -> bool:
        """Whether as many images as it takes are measured."""
        return self.most is not None and int(self.images) >= self.most

    def places(self, number: int) -> Tensor:
        """(shifts, 2) long: where on the grid the windows of the image of this number start."""
        every = self.step**2
        first = number * self.shifts
        rounds = range(first // every, (first + self.shifts - 1) // every + 1)
        orders = [torch.randperm(every, generator=torch.Generator().manual_seed(turn)) for turn in rounds]
        if len(orders) == 2:  # the next round begins with what this image has not been given by the last one
            begun = orders[0][first % every :]
            orders[1] = torch.cat([orders[1][~torch.isin(orders[1], begun)], begun])
        flat = torch.cat(orders)[first % every :][: self.shifts]
        return torch.stack([flat // self.step, flat % self.step], 1)

    @torch.no_grad()
    def update(self, network: Callable[[Tensor], Tensor], images: Tensor) -> None:
        """Measure what `network`, in evaluation mode and float32, makes of images (N, C, H, W) as it takes them.

        In bfloat16 rounding alone repeats with the grid. Raises ValueError for an output of another size than scale
        times the input's.
        """
        for image in images:
            if self.full:
                return
            if min(image.shape[-2:]) < self.needed:
                self.skipped += 1
            else:
                self.measure(network, image)
                self.images += 1

    def measure(self, network: Callable[[Tensor], Tensor], image: Tensor) -> None:
        """Take one image (C, H, W) into the states."""
        chosen = self.places(int(self.images))
        count = len(chosen)
        # One window more, a whole period from the first: the grid lies on both alike, only their borders do not.
        starts = torch.cat([chosen, chosen[:1] + self.step])
        together: Tensor | None = None
        total = square = beyond = torch.zeros(())
        means, changed, mean, spread = [], [], [], []
        for begin in range(0, count + 1, AT_A_TIME):
            outputs = self.compared(network, image, starts[begin : begin + AT_A_TIME])
            inside = outputs[: count - begin]
            together = inside if together is None else together
            first = together[0]
            differences = inside - first
            total, square = total + differences.sum(0), square + differences.square().sum(0)
            beyond = outputs[-1] - first
            if not len(inside):
                continue
            means.append(fold(differences, self.period))
            changed.append(self.differ(inside, first).double().mean((1, 2)))
            mean.append(inside.double().mean((2, 3)))
            spread.append(inside.double().var((2, 3), correction=0))
        assert together is not None
        folded = torch.cat(means)
        folded = folded - folded.mean(0)  # (M, C, p, p)
        at = self.scale * (self.reach + self.cut(image)[2] - chosen).double()  # of what is compared, in its window
        turn = torch.exp(-2j * torch.pi * (at @ self.harmonics.frequency.T)).to(folded.device)  # (M, K)
        seen = self.harmonics.read([fold(folded, q) for q in self.harmonics.periods])
        coefficient, gain = (seen * turn[:, None]).mean(0), 1 - turn.mean(0).abs().square()
        moved = torch.zeros(2)
        if self.classes:
            own = torch.where(gain > TOLD, coefficient / gain.clamp_min(TOLD), 0)
            own = own * turn[: len(together), None].conj()
            pattern = self.harmonics.draw(own, self.period).to(together.dtype)
            pattern = pattern.repeat(1, 1, *(length // self.period for length in together.shape[-2:]))
            decided = self.differ(together - pattern, together).double().mean()
            moved = torch.stack([torch.cat(changed).sum() / (count - 1), decided])
        level = torch.cat(mean)
        values = {
            "coefficient": torch.view_as_real(coefficient),
            "gain": gain,
            # The residuals of all places, not of those drawn, are taken about their own mean.
            "variance": (square - total.square() / count).double().mean((1, 2))
            * ((1 - 1 / self.step**2) / (count - 1)),
            "border": beyond.double().square().mean((1, 2)) / 2,
            "mean": level.mean(0),
            "spread": torch.cat(spread).mean(0) + level.var(0, correction=0),
            "moved": moved,
        }
        self.records.append(record(values, self.fields).to(self.images.device))

    def differ(self, logits: Tensor, others: Tensor) -> Tensor:
        """(..., H, W) bool: where two logits (..., C, H, W) decide otherwise."""
        if self.classes == "each":
            return ((logits > 0) != (others > 0)).any(-3)
        return classes(logits) != classes(others)

    def cut(self, image: Tensor) -> tuple[int, int, int]:
        """Height, width and margin of an image's windows, in input pixels."""
        rooms = [length - self.reach for length in image.shape[-2:]]
        height, width = (min(room, self.window or room) // self.step * self.step for room in rooms)
        if self.margin is not None:
            return height, width, self.margin
        spare = (min(height, width) - self.reach - 4 * self.step) // 2
        return height, width, max(16, 2 * self.step, min(8 * self.step, spare))

    def compared(self, network: Callable[[Tensor], Tensor], image: Tensor, starts: Tensor) -> Tensor:
        """What the outputs of windows at `starts` (M, 2) have in common, (M, C, h, w) float32 in whole periods."""
        height, width, margin = self.cut(image)
        top, left = (
            (length - self.reach - side) // 2 for length, side in zip(image.shape[-2:], (height, width), strict=True)
        )
        places = starts.tolist()
        outputs = network(
            torch.stack([image[:, top + y : top + y + height, left + x : left + x + width] for y, x in places])
        ).float()
        if outputs.shape[-2:] != (self.scale * height, self.scale * width):
            raise ValueError(
                f"the network makes {outputs.shape[-2]} x {outputs.shape[-1]} pixels of {height} x {width}, which is "
                f"not {self.scale} times as many along each axis"
            )
        rows, columns = ((side - 2 * margin - self.reach) // self.step * self.period for side in (height, width))
        begin = self.scale * (self.reach + margin - starts)
        return torch.stack(
            [o[:, y : y + rows, x : x + columns] for o, (y, x) in zip(outputs, begin.tolist(), strict=True)]
        )

    def result(self) -> ShiftResult:
        """The measure over all images, of all processes: tensors, intervals and the pattern itself."""
        with self.sync_context(should_sync=self.sync_on_compute):
            return self.summary()

    def compute(self) -> dict[str, float]:
        """The numbers of `result` in a flat dict, keyed as `ShiftResult.scores` says."""
        return self.summary().scores()

    def summary(self) -> ShiftResult:
        """`result` of the states as they are."""
        names = self.channels or []
        count, skipped = int(self.images), int(self.skipped)
        result = ShiftResult(self.period, self.shifts, self.step**2, count, skipped, self.needed, list(names))
        if count < 2:
            small = f", and {skipped} were smaller" if skipped else ""
            result.reason = f"needs at least 2 images of at least {self.needed} px a side, and saw {count}{small}"
            return result
        values = read(dim_zero_cat(self.records), count, self.fields)
        coefficient = torch.view_as_complex(values["coefficient"].contiguous())
        variance, border, mean = (values[name] for name in ("variance", "border", "mean"))
        result.channels = list(names or map(str, range(mean.shape[1])))
        result.deviation = (values["spread"].mean(0) + mean.var(0, correction=0)).sqrt()
        size = (result.deviation.square() + mean.mean(0).square()).sqrt()
        floor = torch.maximum(ROUNDING * size, BORDER * border.mean(0).sqrt())
        found = fixed_pattern(coefficient, self.harmonics, flips, values["gain"], floor=floor)
        made = variance - (1 - 1 / self.step**2) * border
        content = made - found.rms.square()
        result.pattern, result.border = found, border.mean(0).sqrt()
        result.total, result.content = (x.mean(0).clamp_min(0).sqrt() for x in (made, content))
        result.content_interval = interval_of_mean(content.mean(1)).clamp_min(0).sqrt()
        if self.classes:
            result.shift_moves, result.pattern_moves = values["moved"].mean(0).tolist()
        return result


def classes(logits: Tensor) -> Tensor:
    """(..., H, W): the largest of the channels (..., C, H, W), or whether the only one is above 0."""
    return logits.argmax(-3) if logits.shape[-3] > 1 else logits[..., 0, :, :] > 0
