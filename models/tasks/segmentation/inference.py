"""Logits of images of any size: seen window by window, blended, and finished a strip of rows at a time."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import ceil, lcm, prod

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SCALE = 8  # times as large a side, 64 times the memory: more is asked for by mistake, or by a hostile checkpoint
IN_MEMORY = 2**30  # bytes of logits under way that memory holds; more lie in a file


class Inference:
    """How a segmentation network is applied to an image: in windows or as a whole, flipped or not, at which scales.

    period   of the network's decoder, in pixels
    window   pixels a side; None: whole images. An image that fits into one window is seen as a whole too
    overlap  of neighbouring windows, as a share of the window, in [0, 1)
    flip     whether each window is seen mirrored left to right as well
    scales   at which each window is seen; logits are averaged over scales and flips, at the image's own scale
    margin   pixels along a window's borders inside the image that count for nothing: from the network's `reach` on,
             windows join as if the image was seen whole

    Windows are blended with Gaussian weights of a standard deviation of an eighth of the window that add up to 1 at
    every pixel (the weights of nnU-Net's code; Isensee et al. (2021)), in float32. They start at multiples of
    `unit`, the period or a multiple of it that stays whole at every scale: a decoder's pattern then goes on unbroken
    from window to window, where any other step would print seams. `window` and `stride` are rounded down to whole
    units. Raises ValueError for what cannot be.

    `network` below is any callable from images (N, C, h, w), uint8 or floating in [0, 1], to logits (N, K, h, w).
    """

    def __init__(
        self,
        period: int,
        window: int | None = None,
        overlap: float = 0.25,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        margin: int = 0,
    ) -> None:
        if not scales or not all(0 < scale <= MAX_SCALE for scale in scales):
            raise ValueError(
                f"task.inference.scales must be one or more numbers from 0 to {MAX_SCALE}, 0 excluded, not "
                f"{list(scales)}"
            )
        if not 0 <= overlap < 1:
            raise ValueError(f"task.inference.overlap must lie in [0, 1), not {overlap}")
        self.unit = period * lcm(*(Fraction(scale).limit_denominator(100).denominator for scale in scales))
        if window is not None and window < self.unit:
            raise ValueError(
                f"task.inference.window={window} is too small: windows of a network of period {period} at the scales "
                f"{list(scales)} are multiples of {self.unit} pixels"
            )
        self.window, self.margin = window and window // self.unit * self.unit, margin
        self.stride = self.window and max(self.unit, round(self.window * (1 - overlap)) // self.unit * self.unit)
        if self.window and self.stride and margin:
            self.stride = min(self.stride, (self.window - 2 * margin) // self.unit * self.unit)
            if self.stride < self.unit:
                raise ValueError(
                    f"task.inference.window={window} is too small: {margin} pixels at each border count for nothing, "
                    f"so it must be {2 * margin + 2 * self.unit} or more"
                )
        self.exact = self.window == window and (window is None or self.stride == window * (1 - overlap))
        self.views = [(scale, mirrored) for scale in scales for mirrored in ((False, True) if flip else (False,))]

    def notes(self) -> list[str]:
        """What was rounded, in lines for the log of a run."""
        if self.exact:
            return []
        return [f"Windows of {self.window} pixels every {self.stride}: rounded down to multiples of {self.unit}"]

    def one_pass(self, size: Sequence[int]) -> bool:
        """Whether an image of (height, width) is seen once, and as a whole."""
        return self.views == [(1, False)] and (not self.window or max(size) <= self.window)

    @torch.no_grad()
    def strips(self, network: Callable[[Tensor], Tensor], image: Tensor) -> Iterator[Tensor]:
        """The logits of (N, C, H, W) images in float32, top to bottom as (N, K, rows, W).

        A strip is only valid until the next one is asked for: they share the memory of one row of windows. Where
        that takes more than 1 GiB it lies in a file in the folder for temporary files, which goes with it.
        """
        height, width = image.shape[-2:]
        rows, columns = self.placed(height), self.placed(width)
        if len(rows) == len(columns) == 1:
            yield self.averaged(network, image)
            return
        canvas: Tensor | None = None  # (rows, N, K, W): those of the present windows, summed so far
        for i, (top, down) in enumerate(rows):
            for left, across in columns:
                part = slice(left, left + len(across))
                logits = self.averaged(network, image[..., top : top + len(down), part])
                if canvas is None:
                    canvas = blank((len(down), *logits.shape[:2], width), logits.device)
                weight = torch.outer(down, across).to(canvas.device)
                canvas[: len(down), ..., part].movedim(0, 2).addcmul_(logits.to(canvas.device), weight)
            assert canvas is not None
            finished = (rows[i + 1][0] if i + 1 < len(rows) else height) - top
            yield canvas[:finished].movedim(0, 2)
            for row in range(finished, len(canvas)):  # one by one: no copy of what may fill the memory
                canvas[row - finished] = canvas[row]
            canvas[len(canvas) - finished :] = 0

    def classes(
        self,
        network: Callable[[Tensor], Tensor],
        image: Tensor,
        decide: Callable[[Tensor], Tensor] = lambda logits: logits.argmax(1),
    ) -> Tensor:
        """What `decide` makes of the logits of (N, C, H, W) images, by default the likeliest class, (N, H, W) int64."""
        return torch.cat([decide(strip) for strip in self.strips(network, image)], -2)

    def whole(self, network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
        """What `strips` gives, at once: (N, C, H, W) images to (N, K, H, W) float32."""
        return torch.cat([strip.clone() for strip in self.strips(network, image)], 2)

    def placed(self, length: int) -> list[tuple[int, Tensor]]:
        """Where the windows along one axis start, and the weights of the pixels of each, float32.

        The last window reaches the end, and is up to a unit shorter than the others for starting at whole units.
        """
        if not self.window or not self.stride or length <= self.window:
            return [(0, torch.ones(length))]
        last = ceil((length - self.window) / self.unit) * self.unit
        starts = [*range(0, last, self.stride), last]
        distance = (torch.arange(self.window, dtype=torch.float64) + 0.5) / self.window - 0.5
        bell = torch.exp(-0.5 * (8 * distance) ** 2)
        weights = [bell[: length - start].clone() for start in starts]
        for start, weight in zip(starts, weights, strict=True):
            weight[: self.margin if start else 0] = 0
            weight[self.window - self.margin if start < last else len(weight) :] = 0
        total = torch.zeros(length, dtype=torch.float64)
        for start, weight in zip(starts, weights, strict=True):
            total[start : start + self.window] += weight
        # The windows form a grid, so weights that add up to 1 along each axis do so over the plane.
        return [(s, (w / total[s : s + self.window]).float()) for s, w in zip(starts, weights, strict=True)]

    def averaged(self, network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
        """Logits (N, K, H, W) float32 of images (N, C, H, W): the mean over scales and flips."""
        views = (view(network, image, scale, mirrored) for scale, mirrored in self.views)
        total = next(views)
        for logits in views:
            total = total + logits
        return total / len(self.views)


@torch.no_grad()
def reach(network: Callable[[Tensor], Tensor], channels: int, side: int, period: int) -> int | None:
    """How many pixels away from a pixel of the input the logits still depend on it; None where that is a border of an
    image of `side` pixels or further, as in a network that pools the whole image.

    One period of the grid holds NaN, which every operation that reads it passes on.
    """
    image, at = torch.zeros(1, channels, side, side), side // 2 // period * period
    image[..., at : at + period, at : at + period] = torch.nan
    touched = network(image).isnan()[0].any(0)
    ends = [(int(axis.nonzero().min()), int(axis.nonzero().max())) for axis in (touched.any(0), touched.any(1))]
    if min(first for first, _ in ends) == 0 or max(last for _, last in ends) == side - 1:
        return None
    return max(max(at - first, last - (at + period - 1)) for first, last in ends)


def view(network: Callable[[Tensor], Tensor], image: Tensor, scale: float, mirrored: bool) -> Tensor:
    """Logits (N, K, H, W) float32 of images (N, C, H, W) that the network sees resized, mirrored, or both."""
    size = image.shape[-2:]
    if scale != 1:
        image = image.float() / 255 if image.dtype == torch.uint8 else image
        image = resize(image, [max(1, round(length * scale)) for length in size])
    logits = network(image.flip(-1) if mirrored else image).float()
    logits = logits.flip(-1) if mirrored else logits
    return resize(logits, list(size)) if scale != 1 else logits


def resize(x: Tensor, size: list[int]) -> Tensor:
    """(N, C, H, W) floating to (N, C, *size), bilinear, and smoothed before it is made smaller."""
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def blank(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Zeros in float32: in memory, or on the CPU and mapped to a temporary file where they are more than IN_MEMORY.

    The file has lost its name before this returns, so nothing is left behind. Raises ValueError where it does not fit.
    """
    size = 4 * prod(shape)
    if size <= IN_MEMORY:
        return torch.zeros(shape, device=device)
    folder = tempfile.gettempdir()
    if size > shutil.disk_usage(folder).free:
        raise ValueError(
            f"{folder} has no room for {size / 1e9:.1f} GB of logits; choose a smaller task.inference.window, or set "
            "TMPDIR to a folder on a larger disk"
        )
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.truncate(size)
        return torch.from_file(file.name, shared=True, size=prod(shape), dtype=torch.float32).view(shape)
