"""MATLAB's imresize, held to a literal double loop over its definition and to the benchmark's published scores."""

from math import ceil, floor
from pathlib import Path

import pytest
import torch

from data.files.reading import read_image
from data.reduced import bicubic
from data.reduced.bicubic import enlarge, resize, shrink, to_uint8
from models.tasks.super_resolution.scores import ImageScores

SET5 = Path(bicubic.__file__).parents[4] / "shared" / "data" / "photos" / "set5"


def keys(x: float) -> float:
    """Cubic convolution with a = -1/2, piece by piece."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x * x * x - 2.5 * x * x + 1
    return -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 if x < 2 else 0.0


def literal_row(row: list[float], resized: int) -> list[float]:
    """One axis, pixel by pixel, in MATLAB's own coordinates, which count from 1."""
    n, scale = len(row), resized / len(row)
    widen = min(1.0, scale)
    result = []
    for i in range(1, resized + 1):
        u = i / scale + 0.5 * (1 - 1 / scale)
        total = weights = 0.0
        for k in range(floor(u - 2 / widen) - 1, ceil(u + 2 / widen) + 2):
            weight = widen * keys(widen * (u - k))
            j = k
            while not 1 <= j <= n:  # mirror at the border, the border pixel twice
                j = 1 - j if j < 1 else 2 * n + 1 - j
            total += weight * row[j - 1]
            weights += weight
        result.append(total / weights)
    return result


def literal(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    columns = [literal_row(column, height) for column in image.double().T.tolist()]
    return torch.tensor([literal_row(list(row), width) for row in zip(*columns, strict=True)], dtype=torch.float64)


# Larger, smaller, by whole and by broken factors, and images smaller than the kernel, which mirror twice.
@pytest.mark.parametrize(
    ("size", "resized"),
    [((8, 12), (4, 6)), ((9, 6), (3, 2)), ((16, 8), (4, 2)), ((5, 7), (10, 21)), ((11, 13), (5, 9)), ((2, 3), (1, 1))],
)
def test_resize_is_the_literal_double_loop(size: tuple[int, int], resized: tuple[int, int]) -> None:
    image = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    ours = resize(image[None, None], *resized)[0, 0]
    assert torch.allclose(ours, literal(image, *resized), atol=1e-10)


def test_resizing_does_not_depend_on_the_precision_of_the_training() -> None:
    image = torch.randint(0, 256, (1, 3, 12, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = enlarge(shrink(image, 2), 2)
    assert torch.equal(enlarge(shrink(image, 2), 2), mixed)


def test_kernel_taps_of_halving_by_hand() -> None:
    """Halving reads at +-0.25, 0.75, 1.25, 1.75 of the widened kernel: (111, 29, -9, -3) / 256 on either side."""
    image = torch.zeros(1, 1, 1, 16)
    image[..., 7] = 256
    assert resize(image, 1, 8).flatten().tolist() == pytest.approx([0, 0, -9, 111, 29, -3, 0, 0])


def test_constants_stay_and_halves_round_up_and_overshoots_are_clipped() -> None:
    assert torch.equal(shrink(torch.full((1, 3, 12, 12), 37, dtype=torch.uint8), 3), torch.full((1, 3, 4, 4), 37))
    values = torch.tensor([-0.6, -0.5, 0.5, 1.5, 2.4999, 254.5, 255.6])
    assert to_uint8(values).tolist() == [0, 0, 1, 2, 2, 255, 255]


def test_a_side_that_the_scale_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="12 x 13 pixels cannot be shrunk by 2"):
        shrink(torch.zeros(1, 3, 12, 13, dtype=torch.uint8), 2)


@pytest.mark.skipif(not SET5.is_dir(), reason="needs the five Set5 photographs in ../shared/data/photos/set5")
@pytest.mark.parametrize(("scale", "psnr"), [(2, 33.68), (4, 28.43)])
def test_bicubic_scores_on_set5_what_the_field_publishes(scale: int, psnr: float) -> None:
    """Published: 33.66 and 28.42 dB; these files, read from PNG, give 0.01 to 0.02 dB more."""
    scores = ImageScores(border=scale)
    for truth in map(torch.from_numpy, map(read_image, sorted(SET5.iterdir()))):
        scores.update(to_uint8(enlarge(shrink(truth[None], scale), scale)), truth[None])
    result = scores.compute()
    assert result["psnr_y"] == pytest.approx(psnr, abs=0.005)
    assert result["ssim_y"] == pytest.approx({2: 0.9299, 4: 0.8104}[scale], abs=2e-3)
