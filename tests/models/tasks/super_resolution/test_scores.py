"""PSNR-Y and SSIM-Y held to hand-counted cases and to a literal loop over SSIM's definition."""

import math

import pytest
import torch
from torch import Tensor

from models.tasks.super_resolution.scores import ImageScores, luma, psnr, ssim


def pair(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A smooth uint8 image (1, 3, H, W) and a noisy copy."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    truth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear") * 255
    noisy = truth + 12 * torch.randn(truth.shape, generator=generator)
    return noisy.clamp(0, 255).to(torch.uint8), truth.to(torch.uint8)


def test_luma_of_the_primaries_as_rgb2ycbcr_documents_them() -> None:
    """White 235, black 16; red, green and blue 81.48, 144.55 and 40.97; a grey image is a colour image of equals."""
    colours = torch.tensor([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
    values = luma(colours.reshape(5, 3, 1, 1)).flatten().tolist()
    assert values == pytest.approx([235, 16, 81.481, 144.553, 40.966])
    grey = torch.full((1, 1, 2, 2), 100, dtype=torch.uint8)
    assert torch.equal(luma(grey), luma(grey.expand(-1, 3, -1, -1)))


def test_psnr_by_hand() -> None:
    """Off by 1 everywhere: 20 log10(255) = 48.13 dB; equal images: infinite."""
    truth = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    image = torch.stack([truth[0] + 1, truth[1]])
    assert psnr(image, truth).tolist() == pytest.approx([20 * math.log10(255), math.inf])


def literal_ssim(a: list[list[float]], b: list[list[float]]) -> float:
    """Wang et al. (2004), equations 13 to 17: an 11 x 11 Gaussian window wherever it lies inside the image."""
    weight = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    total = sum(map(sum, weight))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(len(a) - 10):
        for x in range(len(a[0]) - 10):
            window = [(weight[i][j] / total, a[y + i][x + j], b[y + i][x + j]) for i in range(11) for j in range(11)]
            mean_a, mean_b = (sum(w[0] * w[k] for w in window) for k in (1, 2))
            var_a, var_b = (sum(w[0] * (w[k] - m) ** 2 for w in window) for k, m in ((1, mean_a), (2, mean_b)))
            covariance = sum(w * (p - mean_a) * (q - mean_b) for w, p, q in window)
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return sum(values) / len(values)


def test_ssim_is_the_literal_loop() -> None:
    image, truth = (luma(x) for x in pair(17, 20))
    assert ssim(image, truth).item() == pytest.approx(
        literal_ssim(image[0, 0].tolist(), truth[0, 0].tolist()), abs=1e-5
    )
    flat = torch.full_like(truth, 200.0)  # bright and without detail: where subtracting squares loses most
    assert ssim(flat, flat).item() == pytest.approx(1)


def test_scores_do_not_depend_on_the_precision_of_the_training() -> None:
    plain, mixed = ImageScores(border=1), ImageScores(border=1)
    plain.update(*pair(20, 20))
    with torch.autocast("cpu", torch.bfloat16):
        mixed.update(*pair(20, 20))
    assert mixed.compute() == plain.compute()


def test_scores_are_means_over_images_of_any_size_with_the_border_cropped() -> None:
    scores, border = ImageScores(border=3), 3
    expected: dict[str, list[float]] = {"psnr_y": [], "ssim_y": []}
    for seed, size in enumerate([(20, 33), (40, 18)]):
        image, truth = pair(*size, seed)
        image[..., :border] = 0  # outside of what counts
        scores.update(image, truth)
        a, b = (luma(x)[..., border:-border, border:-border] for x in (image, truth))
        expected["psnr_y"].append(10 * math.log10(255**2 / (a - b).square().mean().item()))
        expected["ssim_y"].append(ssim(a, b).item())
    result = scores.compute()
    assert result == {key: pytest.approx(sum(values) / 2, rel=1e-6) for key, values in expected.items()}
    batch = ImageScores(border=0)
    batch.update(*(torch.cat(x) for x in zip(pair(20, 20, 1), pair(20, 20, 2), strict=True)))
    single = ImageScores(border=0)
    for seed in (1, 2):
        single.update(*pair(20, 20, seed))
    assert batch.compute() == pytest.approx(single.compute())


def test_an_image_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="needs images of at least 15 x 15 pixels, not 14 x 30"):
        ImageScores(border=2).update(*pair(14, 30))
