import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as v2

from data.loading.colour import LUMA, jitter, jitter_stored


def images(channels: int = 3) -> Tensor:
    """Of middling brightness, so that nothing is clipped."""
    return torch.randint(90, 160, (3, channels, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def numbers(brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0) -> list[Tensor]:
    """The same for each of the three images, but for the first, which is left alone."""
    return [torch.tensor([o, x, x]) for o, x in ((1, brightness), (1, contrast), (1, saturation), (0, hue))]


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(
    ("name", "factor"), [("brightness", 0.7), ("brightness", 1.4), ("contrast", 0.5), ("contrast", 1.4)]
)
def test_each_is_torchvisions(channels: int, name: str, factor: float) -> None:
    x = images(channels)
    y = jitter(x, *numbers(**{name: factor}))
    assert y.dtype == torch.uint8
    assert torch.equal(y[0], x[0])
    expected = getattr(v2, f"adjust_{name}")(x[1:].float() / 255, factor) * 255
    assert (y[1:] - expected).abs().max() < 0.6


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.3])
def test_saturation_is_torchvisions_and_means_nothing_to_grey(factor: float) -> None:
    expected = v2.adjust_saturation(images()[1:].float() / 255, factor) * 255
    assert (jitter(images(), *numbers(saturation=factor))[1:] - expected).abs().max() < 0.6
    assert torch.equal(jitter(images(1), *numbers(saturation=factor)), images(1))


def test_all_at_once_is_one_after_the_other_in_any_order_of_torchvision() -> None:
    factors = {"brightness": 0.8, "contrast": 1.3, "saturation": 0.7}
    y = jitter(images(), *numbers(**factors))[1:]
    for order in (list(factors), list(factors)[::-1]):
        expected = images()[1:].float() / 255
        for name in order:
            expected = getattr(v2, f"adjust_{name}")(expected, factors[name])
        assert (y - 255 * expected).abs().max() < 0.6


def test_hue_turns_red_to_green_and_keeps_luma() -> None:
    red = torch.tensor([150, 110, 110], dtype=torch.uint8).view(1, 3, 1, 1)
    one, luma = torch.ones(1), torch.tensor(LUMA)

    def turned(by: float) -> np.ndarray:
        return jitter(red, one, one, one, torch.tensor([by])).flatten().numpy()

    assert turned(1.0).tolist() == turned(0.0).tolist() == [150, 110, 110]
    assert turned(1 / 3).argmax() == 1
    assert turned(2 / 3).argmax() == 2
    for by in (0.1, 1 / 3, 0.5, -0.2):
        assert turned(by) @ luma.numpy() == pytest.approx(red.flatten().numpy() @ luma.numpy(), abs=0.6)


def test_what_is_too_bright_or_too_dark_is_clipped() -> None:
    x = torch.tensor([0, 100, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    one, zero = torch.ones(1), torch.zeros(1)
    assert jitter(x, 2 * one, one, one, zero)[0, 0, 0].tolist() == [0, 200, 255]
    assert jitter(x, one, 3 * one, one, zero)[0, 0, 0].tolist() == [0, 63, 255]  # luma is 355 / 3: 300 - 2 * 118.33


def test_bands_in_uint8_keep_their_own_mean_under_contrast() -> None:
    x = torch.randint(60, 190, (2, 5, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    one, zero = torch.ones(2), torch.zeros(2)
    y = jitter(x, one, 0.5 * one, one, zero).float()
    assert (y.mean((2, 3)) - x.float().mean((2, 3))).abs().max() < 0.6
    expected = 0.5 * (x.float() - x.float().mean((2, 3), keepdim=True)) + x.float().mean((2, 3), keepdim=True)
    assert (y - expected).abs().max() <= 0.51


def test_bands_as_stored_move_by_their_own_deviation_whatever_their_unit() -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 100, 0.01]).view(3, 1, 1)
    std = torch.tensor([2.0, 200.0, 0.02]).view(3, 1, 1)
    y = jitter_stored(x, torch.tensor([1.0, 1.5]), torch.tensor([1.0, 1.0]), std)
    assert torch.allclose(y[0], x[0], atol=1e-4)
    assert torch.allclose(y[1], x[1] + 0.5 * std, rtol=1e-4)
    wide = jitter_stored(x, torch.ones(2), torch.full((2,), 2.0), std)
    assert torch.allclose(wide.std((2, 3)), 2 * x.std((2, 3)), rtol=1e-4)
