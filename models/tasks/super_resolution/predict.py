"""An image of any size, enlarged."""

from pathlib import Path

import torch
from torch import Tensor, nn

from data.reduced.bicubic import to_uint8
from models.tasks.picture_files import as_channels, picture_of, write_picture
from models.trained.saved import Trained

TILE = 256  # pixels a side that the network sees at once, besides its margin


def margin(network: nn.Module) -> int:
    """How many input pixels around a tile a network can look at, at most: the reach of all its convolutions on end,
    and of what else an upsampler may gather."""
    reaches = (
        (module.kernel_size[0] - 1) * module.dilation[0]
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    )
    return sum(reaches) // 2 + 8


@torch.no_grad()
def enlarge(net: Trained, image: Tensor, tile: int = TILE) -> Tensor:
    """(3, H, W) uint8 to (C, scale*H, scale*W) uint8, tile by tile, the same as at once."""
    image = as_channels(image, net.channels)
    device, scale, around = next(net.parameters()).device, net.period, margin(net.network)
    channels, height, width = image.shape
    large = torch.empty(channels, scale * height, scale * width, dtype=torch.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            y, x = max(0, top - around), max(0, left - around)
            part = image[None, :, y : top + tile + around, x : left + tile + around]
            done = to_uint8(255 * net(part.to(device)))[0, :, scale * (top - y) :, scale * (left - x) :]
            place = large[:, scale * top : scale * (top + tile), scale * left : scale * (left + tile)]
            place.copy_(done[:, : place.shape[1], : place.shape[2]])
    return large


def enlarge_to(net: Trained, image: Tensor, path: Path) -> None:
    """Write the enlarged image as PNG."""
    write_picture(path, picture_of(enlarge(net, image)))
