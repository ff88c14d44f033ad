"""What an image has besides what is smooth over a period."""

from torch import Tensor


def moving_sum(y: Tensor, count: int, axis: int) -> Tensor:
    """Sums of `count` neighbours along an axis, which gets count - 1 shorter. Sums of halves: log2(count) additions."""
    length = y.shape[axis] - count + 1
    if count == 1:
        return y
    half = moving_sum(y, count // 2, axis)
    total = half.narrow(axis, 0, length) + half.narrow(axis, count // 2, length)
    return total + y.narrow(axis, count - 1, length) if count % 2 else total


def detail(y: Tensor, period: int) -> Tensor:
    """y - y * box_p * box_p along both axes, p - 1 pixels shorter at each side, of (..., H, W) floating.

    The kernel nulls every multiple of 1/p, so a pattern of the period is kept whole, and a ramp leaves nothing.
    """
    smooth = y
    for axis in (-2, -1):
        smooth = moving_sum(moving_sum(smooth, period, axis), period, axis)
    edge = period - 1
    return y[..., edge : y.shape[-2] - edge, edge : y.shape[-1] - edge] - smooth / period**4
