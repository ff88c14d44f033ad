"""ResNet as an encoder, dilated to the wished output stride."""

from itertools import cycle, islice
from typing import Literal

from torch import Tensor, nn

from models.networks.encoders import encoder
from models.networks.interfaces import Encoder, OutputStride

# Residual blocks of each of the four stages: He et al. (2016), table 1.
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


def conv3x3(in_channels: int, out_channels: int, stride: int, rate: int) -> nn.Conv2d:
    """A 3x3 convolution without bias (a norm follows) whose output is its input's size divided by stride."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=rate, dilation=rate, bias=False)


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """A projection where the shape changes (He et al., section 3.3, option B), else None: the identity."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: He et al. (2016), figure 5, left."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, rates: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, stride, rates[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, 1, rates[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around a shortcut: He et al. (2016), figure 5, right. As in torchvision the 3x3 has the stride."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, rates: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride, rates[0])  # its only 3x3
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, 4 * width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


@encoder("resnet")
class ResNet(Encoder):
    """He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), without pooling and classifier.

    name           resnet18, resnet34 or resnet50
    output_stride  of the deepest map: 32, or 16 or 8, where the last strides become dilation (Chen et al.,
                   "DeepLab", TPAMI 2018, section 3.1): the same filters at more positions, so weights trained at
                   stride 32 mean the same here
    rates          of the 3x3 convolutions in the blocks of the last two stages, cycled: [[1], [2, 4, 8]] is the
                   multi-grid of DeepLabv3 at output stride 16, [[1, 2, 5, 9], [5, 9, 17]] the hybrid dilated
                   convolution of Wang et al. (2018); None: doubled with each stride replaced

    The maps are the last at each stride. Parameters are named as torchvision's, so its state dict less `fc` loads.
    Raises ValueError for what is not in this list.
    """

    def __init__(
        self,
        in_channels: int = 3,
        name: Literal["resnet18", "resnet34", "resnet50"] = "resnet18",
        output_stride: OutputStride = 32,
        rates: list[list[int]] | None = None,
    ) -> None:
        super().__init__()
        if name not in BLOCKS:
            raise ValueError(f"name is '{name}', which the family resnet lacks; choose from {', '.join(BLOCKS)}")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32 for {name}, not {output_stride}")
        if rates is not None and (len(rates) != 2 or min((min(r, default=0) for r in rates), default=0) < 1):
            raise ValueError(f"rates needs two lists of rates of at least 1, for the last two stages, not {rates}")
        block = Bottleneck if name == "resnet50" else BasicBlock
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, stride, rate = 64, 4, 1
        last = {2: ("relu", channels)}  # at each stride: the last module there and its channels
        for i, blocks in enumerate(BLOCKS[name]):
            # The convolution that held a replaced stride keeps its rate; everything after it sees the rate doubled.
            first_rate, step = rate, 1
            if i > 0 and stride < output_stride:
                stride, step = 2 * stride, 2
            elif i > 0:
                rate *= 2
            pairs = [(first_rate, rate), *[(rate, rate)] * (blocks - 1)]
            if rates is not None and i >= 2:
                pairs = [(r, r) for r in islice(cycle(rates[i - 2]), blocks)]
            stage = nn.Sequential()
            for j, pair in enumerate(pairs):
                stage.append(block(channels, 64 * 2**i, step if j == 0 else 1, pair))
                channels = 64 * 2**i * block.expansion
            self.add_module(f"layer{i + 1}", stage)
            last[stride] = (f"layer{i + 1}", channels)
        self.strides = list(last)
        self.channels = [count for _, count in last.values()]
        self.ends = [module for module, _ in last.values()]
        self.indices_channels = [None] * (len(last) - 1)  # its one pooling overlaps: a maximum may be taken twice
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., "Delving Deep into Rectifiers" (2015)
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See the class."""
        features: list[Tensor] = []
        for name, module in self.named_children():
            x = module(x)
            if name in self.ends:
                features.append(x)
        return features, [None] * (len(features) - 1)
