"""Parts of images that checkerboards are measured on: the middle of images of differing sizes, quarters of few."""

from collections.abc import Iterator

from torch import Tensor

from data.loading.loaded import Samples


def first_of(samples: Samples, count: int | None) -> tuple[int, tuple[int, int]]:
    """How many the first `count` images (None: all) are, and the largest height and width that each of them has."""
    first = len(samples) if count is None else min(len(samples), count)
    shapes = [samples[i]["image"].shape[-2:] for i in range(max(first, 1))]
    return first, (min(height for height, _ in shapes), min(width for _, width in shapes))


def middle(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle (..., *size) of (..., H, W), both at least that large."""
    top, left = ((have - want) // 2 for have, want in zip(x.shape[-2:], size, strict=True))
    return x[..., top : top + size[0], left : left + size[1]]


def spread(total: int, count: int) -> list[int]:
    """`count` of `total` indices at equal steps, or all where there are no more."""
    return [i * total // min(count, total) for i in range(min(count, total))]


def quarters(images: Tensor, least: int) -> Iterator[Tensor]:
    """Images (N, C, H, W) in quarters where these have `least` pixels a side, else whole: the measure of a pattern
    takes six images, and Set5 has five."""
    height, width = (length // 2 for length in images.shape[-2:])
    if min(height, width) < least:
        yield images
        return
    for top in (0, height):
        for left in (0, width):
            yield images[..., top : top + height, left : left + width]
