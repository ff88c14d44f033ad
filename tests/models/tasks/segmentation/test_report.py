import numpy as np
import torch

from models.tasks.drawing import line_spectrum
from models.tasks.segmentation.report import mixed_window


def test_a_line_spectrum_is_the_mean_of_numpys_over_rows_and_columns() -> None:
    maps = torch.randn(2, 12, 17, generator=torch.Generator().manual_seed(0))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(12) / 12)
    power = np.zeros(7)
    for each in maps.double().numpy()[:, :, :12]:
        each = (each - each.mean()) / each.std(ddof=1)
        for line in [*each, *each.T]:
            power += np.abs(np.fft.rfft((line - line.mean()) * window)) ** 2
    expected = 10 * np.log10(power[1:] / power[1:].sum())
    np.testing.assert_allclose(line_spectrum(maps), expected, atol=1e-4)


def test_a_pattern_of_period_eight_stands_out_at_its_harmonics_alone() -> None:
    random = torch.Generator().manual_seed(1)
    smooth = torch.randn(3, 80, 80, generator=random).cumsum(1).cumsum(2)
    printed = smooth / smooth.std()
    printed[:, ::8, ::8] += 2
    rise = line_spectrum(printed) - line_spectrum(smooth)
    harmonics = np.arange(1, 41) % 10 == 0  # of 80 pixels, period 8: every tenth frequency
    beside = np.isin(np.arange(1, 41) % 10, (1, 9))  # where the Hann window spreads them
    assert rise[harmonics].min() > rise[~harmonics & ~beside].max() + 3


def test_the_mixed_window_lies_over_the_corner_where_classes_meet() -> None:
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[32:, 48:] = 1
    mask[48:, :] = 2
    members = torch.stack([mask == k for k in range(3)])
    rows, columns = mixed_window(members, 16)
    assert (rows, columns) == (slice(36, 52), slice(40, 56))  # shares 3/8, 3/8, 1/4: no step of 4 is more even
    assert mixed_window(members, 100) == (slice(0, 64), slice(0, 64))
