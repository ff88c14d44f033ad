"""The table of all operators: what each costs, how evenly it upsamples, and what to know about it."""

import re
from dataclasses import dataclass
from math import lcm, prod
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from upsample.algebra.footprint import counts_of, overlap_map
from upsample.algebra.imbalance import imbalance_of, phase_imbalance
from upsample.algebra.polyphase import polyphase
from upsample.algebra.response import measured_polyphase, transposed_inside
from upsample.columns import columns
from upsample.contract import Operator, available
from upsample.models.evaluating import weights_computed
from upsample.pages.alone import Alone


@dataclass(frozen=True)
class Row:
    """One operator as measured with its default options, freshly initialised (seed 0)."""

    name: str
    parameters: int
    macs_per_pixel: float  # multiply-adds per output pixel, all channels together
    overlap: tuple[int, int]  # fewest and most input pixels that any output pixel depends on
    imbalance: float  # phase_imbalance at initialisation
    advice: str


def rows(scale: int) -> tuple[int, list[Row]]:
    """Measure every registered operator at `scale`; returns (channels, rows), channels in and out being the same."""
    channels = lcm(4, scale**2)  # what grouped operators divide
    channels *= max(1, 64 // channels)
    return channels, [_measure(name, operator, channels, scale) for name, operator in available().items()]


def _measure(name: str, operator: Operator, channels: int, scale: int) -> Row:
    module = _fresh(name, channels, scale)
    conv = transposed_inside(module)
    parts = measured_polyphase(module, channels) if conv is None else polyphase(conv)
    if parts is None:
        few = lcm(4, scale**2)  # probing takes the square of the channels in time
        small = _fresh(name, few, scale)
        counts, imbalance = overlap_map(small, few, blocks=2), phase_imbalance(small, few)
    else:
        counts, imbalance = counts_of(parts), imbalance_of(parts)
    return Row(
        name,
        sum(p.numel() for p in module.parameters()),
        macs_per_pixel(module, channels),
        (int(counts.min()), int(counts.max())),
        imbalance,
        advice(operator.build, type(module.operator)),
    )


def _fresh(name: str, channels: int, scale: int) -> Alone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Alone(name, channels, channels, scale)


def advice(*declared: Any) -> str:
    """The first "Pitfall" that these docstrings name, else the first sentence of the first of them."""
    texts = [" ".join((d.__doc__ or "").split()) for d in declared]
    pitfalls = (re.search(r"Pitfalls?: (.+)", text) for text in texts)
    text = next((found.group(1) for found in pitfalls if found), texts[0])
    short = re.split(r"\.(?= |$)|;", text)[0]
    return short if "_" in short.split(" ")[0] else short[:1].upper() + short[1:]  # a parameter's name stays as it is


class _Counter(TorchDispatchMode):
    """Counts multiply-adds. (FlopCounterMode, whose formulas these are, takes seconds to start.)"""

    # What has no formula there, by value of the output: sampling by its taps, a product by one.
    EACH: ClassVar = {"upsample_bilinear2d": 4, "grid_sampler_2d": 4, "upsample_bicubic2d": 16, "mul": 1, "addcmul": 1}

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to be skipped the compiler would be imported first, for seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.macs += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=out) // 2
        elif func.overloadpacket is torch.ops.aten.avg_pool2d:
            self.macs += prod(args[1]) * out.numel()
        else:
            self.macs += self.EACH.get(func.overloadpacket.__name__, 0) * (
                out.numel() if isinstance(out, Tensor) else 0
            )
        return out


def macs_per_pixel(module: nn.Module, in_channels: int, size: int = 32) -> float:
    """Multiply-adds per output pixel, counted while the module runs on a size x size input.

    torch.utils.flop_counter's formulas count convolutions and matrix products, which is right for those; what
    they leave at zero is added here: 4 per value for bilinear interpolation and sampling, 16 for bicubic, the
    window for average pooling, 1 for an elementwise product.
    """
    x = torch.zeros(1, in_channels, size, size)
    with torch.no_grad(), weights_computed(module.eval()), _Counter() as counter:
        y = module(x)
    return counter.macs / y[0, 0].numel()


def table(scale: int) -> str:
    """The rows as plain text, the advice wrapped to the terminal's width."""
    channels, measured = rows(scale)
    head = ("name", "parameters", "MACs/pixel", "overlap", "imbalance")
    cells = [
        (
            row.name,
            f"{row.parameters:,}",
            f"{row.macs_per_pixel:,.0f}",
            "-".join(map(str, sorted(set(row.overlap)))),
            f"{row.imbalance:.2f}",
        )
        for row in measured
    ]
    begun = columns([head, *cells], right=True)
    left = len(begun[0]) + 2
    room = max(30, get_terminal_size((120, 24)).columns - left)
    lines = []
    for start, advice in zip(begun, ["to know", *(row.advice for row in measured)], strict=True):
        first, *more = wrap(advice, room) or [""]
        lines += [f"{start}  {first}", *(" " * left + m for m in more)]
    return "\n".join(
        [
            *lines,
            "",
            f"{channels} channels in and out, scale {scale}, default options, fresh weights (seed 0).",
            "MACs/pixel: multiply-adds per output pixel. overlap: input pixels that an output pixel depends on,",
            "fewest-most over the output phases. imbalance: the checkerboard printed on a constant input, 0 is none;",
            f"both with {lcm(4, scale**2)} channels where the answer depends on the content (carafe, say).",
        ]
    )
