"""Colour jitter as one affine map of RGB per image, which is exact: brightness, contrast, saturation and hue are all
affine, and commute, so that torchvision's random order and its clipping in between fall away."""

import math

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# RGB to YIQ of the same recommendation's primaries; hue turns its chroma plane (I, Q), which leaves luma alone.
YIQ = (LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


def jitter(image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8, each coloured by its own four numbers (N,) float32.

    brightness  factor on the pixels
    contrast    factor on their distance from the image's mean luma
    saturation  factor on their distance from their own luma
    hue         turn of the chroma about luma, in full turns; only three channels have any, and saturation
    Of other numbers of channels each has its own mean for its luma.
    The first three are torchvision's adjust_*; hue is turned in YIQ, as in NVIDIA DALI's `hsv`, which is linear.
    """
    count, channels = image.shape[:2]
    x = image.flatten(2).float()
    if channels == 3:
        to_yiq = torch.tensor(YIQ, device=x.device)
        angle = -2 * math.pi * hue  # red turns to green
        zero, one = torch.zeros_like(hue), torch.ones_like(hue)
        cos, sin = saturation * angle.cos(), saturation * angle.sin()
        chroma = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(count, 3, 3)
        matrix = to_yiq.inverse() @ chroma @ to_yiq
        luma = (x.mean(2) @ to_yiq[0])[:, None]
    else:
        matrix, luma = torch.eye(channels, device=x.device).expand(count, -1, -1), x.mean(2)
    # 0.5: the conversion to uint8 cuts off
    offset = ((brightness * (1 - contrast))[:, None] * luma + 0.5)[..., None]
    y = torch.baddbmm(offset, (brightness * contrast)[:, None, None] * matrix, x)
    return y.clamp_(0, 255).to(torch.uint8).view_as(image)


def jitter_stored(image: Tensor, brightness: Tensor, contrast: Tensor, std: Tensor) -> Tensor:
    """Bands (N, C, H, W) float32 of any unit, each image varied by its own two numbers (N,).

    brightness  1 + b moves every band by b of its standard deviations, `std` (C, 1, 1): where 0 lies says nothing
    contrast    factor on the pixels' distance from the image's mean, band by band
    """
    mean = image.mean((2, 3), keepdim=True)
    factor, step = contrast[:, None, None, None], (brightness - 1)[:, None, None, None]
    return (image - mean) * factor + mean + step * std
