"""Layers, forward and backward, against what a user would write instead."""

from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from benchmarks.configuration import autocast, device, low
from benchmarks.measure import Line, ratios, take_turns
from upsample.operators.reassembly import Carafe

BATCH = 8
CHANNELS, SIZES = (32, 64, 128, 256, 512), (8, 16, 32, 64, 128)
FORMATS = (torch.contiguous_format, torch.channels_last)
QUICK, FULL = 5e9, 2e10  # multiply-adds at most of a 3x3 convolution after the resize, forward


def shapes(most: float) -> list[tuple[int, int]]:
    """(channels, pixels a side) of inputs whose resize and convolution cost at most so many multiply-adds."""
    return [(c, n) for c in CHANNELS for n in SIZES if 9 * BATCH * (c * 2 * n) ** 2 <= most]


def dtypes() -> list[torch.dtype]:
    """float32, and bfloat16 where the hardware is fast at it."""
    return [torch.float32, *([torch.bfloat16] if low() else [])]


def work(
    layer: nn.Module, channels: int, side: int, dtype: torch.dtype, format: torch.memory_format
) -> Callable[[], object]:
    """Forward and backward of a layer as the trainer runs it: weights in float32, arithmetic in `dtype`."""
    layer = layer.to(device(), memory_format=format)  # type: ignore[call-overload]  # torch's stub knows other orders
    x = torch.randn(BATCH, channels, side, side, device=device(), dtype=dtype).contiguous(memory_format=format)
    x.requires_grad_()
    with autocast(dtype == torch.bfloat16):
        gradient = torch.randn_like(layer(x))

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        with autocast(dtype == torch.bfloat16):
            y = layer(x)
        y.backward(gradient)

    return run


def fastest(
    layers: Sequence[Callable[[int], nn.Module]], shape: tuple[int, int], dtype: torch.dtype, rounds: int
) -> list[list[float]]:
    """Seconds of each layer in each round, each in the memory format that suits it best."""
    channels, side = shape
    works = [work(layer(channels), channels, side, dtype, format) for layer in layers for format in FORMATS]
    found = take_turns(works, rounds)
    return [min(pair, key=np.median) for pair in zip(found[::2], found[1::2], strict=True)]  # type: ignore[arg-type]  # the median is a number


def resize_conv(most: float, rounds: int) -> list[Line]:
    """4: resize and convolution in one step."""
    layers = [
        lambda c: upsample.build("resize_conv", c, c, 2),
        lambda c: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1)),
        lambda c: upsample.build("deconv", c, c, 2, kernel_size=4),
    ]
    pair, deconv = [], []
    for dtype in dtypes():
        for shape in shapes(most):
            ours, theirs, transposed = fastest(layers, shape, dtype, rounds)
            pair.append(float(np.median(ratios(ours, theirs))))
            deconv.append(float(np.median(ratios(ours, transposed))))
    note = f"over {len(pair)} shapes and dtypes, batch {BATCH}, each in its best memory format"
    return [
        Line("resize_conv", "nn.Upsample + nn.Conv2d", pair, 0.55, False, note),
        Line("resize_conv", "deconv, kernel 4", deconv, 1.1, False, note),
    ]


def dilated_deconv(most: float, rounds: int) -> list[Line]:
    """5: as the trainer runs it, channels last."""
    layers = [
        lambda c: upsample.build("dilated_deconv", c, c, 2),
        lambda c: nn.ConvTranspose2d(c, c, 4, stride=2, padding=4, dilation=3),
        lambda c: nn.ConvTranspose2d(c, c, 4, stride=2, padding=1),
    ]
    same, undilated = [], []
    for dtype in dtypes():
        for c, side in shapes(most):
            works = [work(layer(c), c, side, dtype, torch.channels_last) for layer in layers]
            ours, theirs, plain = take_turns(works, rounds)
            same.append(float(np.median(ratios(ours, theirs))))
            undilated.append(float(np.median(ratios(ours, plain))))
    note = f"over {len(same)} shapes and dtypes, batch {BATCH}, channels last"
    worst = f"{note}; at worst {max(same):.2f}"
    return [
        Line("dilated_deconv", "nn.ConvTranspose2d, same arguments", same, 0.45, False, worst),
        Line("dilated_deconv", "the undilated layer", undilated, 1.1, False, note),
        Line("dilated_deconv, at worst", "the undilated layer", [max(undilated)], 1.3, False, note),
    ]


class LiteralCarafe(Carafe):
    """The same layer as its paper's formula reads: windows unfolded, enlarged, weighted, summed."""

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        k, s = self.up_kernel, self.scale
        features = self.project(x)
        (n, c, h, w), taps = features.shape, k * k
        windows = F.unfold(features, k, padding=k // 2).view(n, c * taps, h, w)
        windows = F.interpolate(windows, scale_factor=s).view(n, c, taps, s * h, s * w)
        weights = F.pixel_shuffle(self.kernels(x)[:, 0].flatten(1, 2), s).view(n, 1, taps, s * h, s * w)
        return (windows * weights).sum(2)


def carafe_work(kind: type[Carafe]) -> Callable[[], object]:
    """Forward and backward at 8 x 256 x 32 x 32, scale 2."""
    torch.manual_seed(0)
    return work(kind(256, 256, 2), 256, 32, torch.float32, torch.contiguous_format)


def peak_bytes(kind: type[Carafe]) -> int:
    """What the process, which must be fresh, grows by at its peak. Without a GPU only on Linux."""
    if torch.cuda.is_available():
        run = carafe_work(kind)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    before = high_water()
    carafe_work(kind)()
    return high_water() - before


def high_water() -> int:
    """The most bytes that lay in memory since the process began. getrusage would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def carafe(rounds: int) -> list[Line]:
    """6: time and memory."""
    ours, theirs = take_turns([carafe_work(Carafe), carafe_work(LiteralCarafe)], rounds)
    peaks = []
    for kind in (Carafe, LiteralCarafe):
        with get_context("spawn").Pool(1) as fresh:
            peaks.append(fresh.apply(peak_bytes, (kind,)))
    time = f"{1000 * min(theirs):.0f} → {1000 * min(ours):.0f} ms"
    memory = f"{peaks[1] / 1e6:.0f} → {peaks[0] / 1e6:.0f} MB"
    return [
        Line("carafe, seconds", "its literal unfold", ratios(ours, theirs), 0.5, False, time),
        Line("carafe, peak memory", "its literal unfold", [peaks[0] / peaks[1]], 0.25, False, memory),
    ]
