"""DeepLab 1, 2, 3 and 3+: context from dilated convolutions, enlarged by the chosen upsampler."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from models.networks import network
from models.networks.blocks import pad_to_period
from models.networks.interfaces import Encoder, Network
from plumbing.options import Count
from upsample.algebra.gridding import gridding

Version = Literal[1, 2, 3, "1", "2", "3", "3plus"]
# Of the head's 3x3 convolutions, as published for output stride 8; other strides scale them, as DeepLabv3 does.
RATES = {"1": (12,), "2": (6, 12, 18, 24), "3": (12, 24, 36), "3plus": (12, 24, 36)}
LOW_LEVEL_STRIDE, LOW_LEVEL_CHANNELS = 4, 48  # of 3+: section 4.1 and table 1 of its paper


def conv_norm(in_channels: int, out_channels: int, kernel_size: int, rate: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU, size kept."""
    padding = rate * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=rate, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class LargeFOV(nn.ModuleList):
    """Versions 1 and 2: a branch per rate, each a dilated 3x3 (fc6) and two 1x1 (fc7, fc8), their scores summed.

    One branch is LargeFOV: Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets and Fully
    Connected CRFs" (ICLR 2015), section 5.1. Several are ASPP: Chen et al., "DeepLab" (TPAMI 2018), section 3.2.
    """

    def __init__(self, in_channels: int, width: int, out_channels: int, rates: Sequence[int]) -> None:
        super().__init__(
            nn.Sequential(
                nn.Conv2d(in_channels, width, 3, padding=rate, dilation=rate),
                nn.ReLU(inplace=True),
                nn.Dropout(0.5),
                nn.Conv2d(width, width, 1),
                nn.ReLU(inplace=True),
                nn.Dropout(0.5),
                nn.Conv2d(width, out_channels, 1),
            )
            for rate in rates
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return torch.stack([branch(x) for branch in self]).sum(0)


class ASPP(nn.Module):
    """Versions 3 and 3+: a 1x1 branch, a 3x3 branch per rate, the image's mean; concatenated and projected.

    Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (2017), section 3.3. In training
    its BatchNorm of the image's mean needs batches of at least 2. The dropout is torchvision's.
    """

    def __init__(self, in_channels: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        dilated = [conv_norm(in_channels, width, 3, rate) for rate in rates]
        self.branches = nn.ModuleList([conv_norm(in_channels, width, 1), *dilated])
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_norm(in_channels, width, 1))
        self.project = nn.Sequential(conv_norm((len(rates) + 2) * width, width, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, width, H, W)."""
        pooled = self.pooled(x).expand(-1, -1, *x.shape[-2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))


def default_steps(version: str, output_stride: int) -> list[int]:
    """Few upsamplers, none above 4: a factor of 4 wherever one fits, then the rest; 3+ stops at its low-level map."""
    steps = []
    for gap in (output_stride // LOW_LEVEL_STRIDE, LOW_LEVEL_STRIDE) if version == "3plus" else (output_stride,):
        while gap > 1:
            steps.append(next((factor for factor in (4, 2) if gap % factor == 0), gap))
            gap //= steps[-1]
    return steps


@network("deeplab")
class DeepLab(Network):
    """Chen et al.: 1 (ICLR 2015), 2 (TPAMI 2018), 3 (2017) and 3+ (ECCV 2018), whose decoder adds low-level features.

    upsample  builds an upsampler: `functools.partial(upsample.build, "deconv")`, say; it takes the place of the
              papers' bilinear resize, which `bilinear` with the papers' steps and `channels=None` is
    version   1, 2, 3 or 3plus; `LargeFOV` and `ASPP` say which head that is
    rates     of the head's 3x3 convolutions; None: the published ones, scaled to the encoder's output stride
    width     of the head's layers (published: 1024 for versions 1 and 2, 256 for 3 and 3+)
    channels  that the upsamplers enlarge, before a last 1x1 convolution to the classes; None: the class scores
              themselves, as published. (The first steps of 3+ enlarge the head's `width` channels.)
    steps     scales of the upsamplers, coarse to fine, their product the encoder's output stride (published: [8] at
              output stride 8; [4, 4] at 16 for 3+); None: as few as possible with none above 4

    Every upsampler is offered the encoder's map, and the pooling indices, where these lie at its output size.
    forward(x): (N, in_channels, H, W) of any size to logits (N, classes, H, W). The input is padded at the
    right and bottom to whole periods (replicating the border), the logits are cropped.
    Raises ValueError for what cannot be built.
    """

    takes_encoder = True

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        upsample: Callable[..., nn.Module],
        version: Version = "3plus",
        rates: list[Count] | None = None,
        width: Count = 256,
        channels: Count | None = None,
        steps: list[Count] | None = None,
    ) -> None:
        super().__init__()
        kind, deep, stride = str(version), encoder.channels[-1], encoder.strides[-1]
        if kind not in RATES:
            raise ValueError(f"version must be one of {', '.join(RATES)}, not {kind}")
        if kind == "3plus" and LOW_LEVEL_STRIDE not in encoder.strides[:-1]:
            raise ValueError(
                f"version=3plus needs an encoder with maps at stride {LOW_LEVEL_STRIDE} and deeper, "
                f"not at {encoder.strides}"
            )
        steps = default_steps(kind, stride) if steps is None else steps
        # The stride after each step; none where they do not end at full size.
        reached = [stride // prod(steps[: i + 1]) for i in range(len(steps))] if prod(steps) == stride else []
        if not reached or (kind == "3plus" and LOW_LEVEL_STRIDE not in reached):
            by_way_of = f" by way of {LOW_LEVEL_STRIDE}" if kind == "3plus" else ""
            raise ValueError(
                f"steps={steps} do not lead from the encoder's output stride {stride} to 1{by_way_of}, "
                f"as {default_steps(kind, stride)} would"
            )
        if rates is not None and min(rates, default=0) < 1:
            raise ValueError(f"rates needs one or more rates of at least 1, not {rates}")
        self.encoder, self.normalisation, self.period = encoder, encoder.normalisation, stride
        self.rates = [max(1, round(rate * 8 / stride)) for rate in RATES[kind]] if rates is None else rates
        out = classes if channels is None else channels

        self.context: nn.Module
        self.low_level: nn.Module | None = None
        if kind in ("1", "2"):
            self.context = LargeFOV(deep, width, out, self.rates)
        elif kind == "3":
            self.context = nn.Sequential(
                ASPP(deep, width, self.rates), conv_norm(width, width, 3), nn.Conv2d(width, out, 1)
            )
        else:
            self.context = ASPP(deep, width, self.rates)
            low = encoder.channels[encoder.strides.index(LOW_LEVEL_STRIDE)]
            self.low_level = conv_norm(low, LOW_LEVEL_CHANNELS, 1)
            self.refine = nn.Sequential(
                conv_norm(width + LOW_LEVEL_CHANNELS, width, 3), conv_norm(width, width, 3), nn.Conv2d(width, out, 1)
            )
        skips = dict(zip(encoder.strides, encoder.channels, strict=True))
        pooled = dict(zip(self._gaps(), encoder.indices_channels, strict=True))
        self.reached = reached
        self.steps = nn.ModuleList()
        for before, after in zip([stride, *reached], reached, strict=False):
            at = width if kind == "3plus" and after >= LOW_LEVEL_STRIDE else out
            offered = {"skip_channels": skips.get(after), "indices_channels": pooled.get((before, after))}
            self.steps.append(upsample(at, at, before // after, **offered))
        self.classify = nn.Identity() if channels is None else nn.Conv2d(channels, classes, 1)

    def _gaps(self) -> list[tuple[int, int]]:
        """(coarser, finer) stride of each two neighbouring maps of the encoder, which its indices lie between."""
        return [(coarse, fine) for fine, coarse in zip(self.encoder.strides, self.encoder.strides[1:], strict=False)]

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        return list(self.steps)

    def notes(self) -> list[str]:
        """How much of its field a pixel of the head sees through the dilated convolutions alone.

        Where their rates share a factor it sees a grid (`upsample.algebra.gridding`). The undilated convolutions before
        them mix in the neighbours, which softens that.
        """
        dilated = [
            (module.kernel_size[0], module.dilation[0])
            for module in self.encoder.modules()
            if isinstance(module, nn.Conv2d) and module.dilation[0] > 1 and module.kernel_size[0] > 1
        ]
        encoder = f"the encoder's rates {' '.join(str(rate) for _, rate in dilated)}" if dilated else "no rates before"
        grids = [(rate, gridding([*dilated, (3, rate)])) for rate in self.rates]
        seen = [
            f"{grid.covered:.0%} of {grid.receptive_field}x{grid.receptive_field} at {rate}" for rate, grid in grids
        ]
        return [f"Gridding at output stride {self.period}: with {encoder}, the head's sees {', '.join(seen)}"]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        height, width = x.shape[-2:]
        x = pad_to_period(x, self.period)
        features, indices = self.encoder(x)
        skips = dict(zip(self.encoder.strides, features, strict=True))
        pooled = dict(zip(self._gaps(), indices, strict=True))
        y, before = self.context(features[-1]), self.period
        for step, after in zip(self.steps, self.reached, strict=True):
            y = step(y, skips.get(after), pooled.get((before, after)))
            if self.low_level is not None and after == LOW_LEVEL_STRIDE:
                y = self.refine(torch.cat((y, self.low_level(skips[after])), 1))
            before = after
        return self.classify(y)[..., :height, :width]
