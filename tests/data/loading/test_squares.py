import numpy as np
import pytest
import torch
from PIL import Image

from data.loading.squares import centre_square


def test_the_square_in_the_middle_is_resized_antialiased() -> None:
    """Pillow, whose resizing is antialiased, on the same square, to rounding; plain bicubic would be far off."""
    image = torch.randint(0, 256, (3, 90, 130), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    square = image[:, :, 20:110].permute(1, 2, 0).numpy()
    expected = np.array(Image.fromarray(square).resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    found = centre_square(image, 32).permute(1, 2, 0).numpy().astype(int)
    assert found.shape == (32, 32, 3)
    assert np.abs(found - expected).max() <= 2
    plain = torch.nn.functional.interpolate(image[None, :, :, 20:110].float(), size=32, mode="bicubic")[0]
    assert np.abs(plain.permute(1, 2, 0).numpy() - expected).max() > 50


def test_an_image_of_the_size_asked_for_is_untouched() -> None:
    image = torch.randint(0, 256, (3, 40, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(centre_square(image, 32), image[:, 4:36])


@pytest.mark.parametrize(("before", "after", "difference"), [(129, 128, 1.5), (200, 128, 1.05), (256, 128, 1.0)])
def test_the_ripple_of_noise_is_what_the_module_says(before: int, after: int, difference: float) -> None:
    """Variance at each output pixel of white noise: the squared weights, from the answer to a one in every place."""
    impulses = torch.eye(before, dtype=torch.float64)[:, None, None]
    weights = torch.nn.functional.interpolate(impulses, size=(1, after), mode="bicubic", antialias=True)[:, 0, 0]
    variance = weights.square().sum(0)[8:-8]  # away from the border
    assert (variance.max() / variance.min()).item() == pytest.approx(difference, abs=0.01)
