from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from data.loading.loaded import LabelledImages
from models.tasks.drawing import line_spectrum
from models.tasks.pattern_picture import Patch
from models.tasks.segmentation import report
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.report import mixed_window
from upsample.instrument.shifts import GridByShifting


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


NAMES = ["sea", "warehouses and other industrial buildings (flat roofs)", "reinforced concrete under construction"]


def prints(x: Tensor) -> Tensor:
    """(N, 3, H, W) to as much: the image, and a pattern of period 4 fixed to the window's corner."""
    stamp = torch.randn(4, 4, generator=torch.Generator().manual_seed(3))
    return x + (stamp - stamp.mean()).repeat(x.shape[-2] // 4, x.shape[-1] // 4)


@pytest.mark.parametrize("size", [(160, 160), (60, 240), (240, 60)])
def test_no_title_meets_a_picture_or_the_edge(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    info = LabelledImages("set", (0.5,) * 3, (0.25,) * 3, NAMES, [(0, 0, 200), (0, 200, 0), (200, 0, 0)], [1.0] * 3)
    logits = torch.randn(3, *size, generator=random)
    example = {"image": torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=random), "logits": logits}
    example |= {"mask": logits.argmax(0), "prediction": logits.roll(9, -1).argmax(0)}
    grid = GridByShifting(4, shifts=4, margin=4, channels=NAMES)
    for _ in range(8):
        grid.update(prints, torch.randn(1, 3, 64, 64, generator=random))
    pattern = grid.result().pattern
    assert pattern is not None
    assert pattern.shown
    drawn: list[Figure] = []
    monkeypatch.setattr(report, "save", lambda figure, path: drawn.append(figure))
    patches = [Patch(title, logits[0, :48, :48], logits[1, :48, :48]) for title in ("the output", "repaired")]
    title = "a data set with a long name " * 5 + f"\nfixed pattern: 1 logits, 6 % of SD (7.5 % in {NAMES[1]}), period 4"
    labels = Exclusive(info, "cross_entropy", 0.0)
    report.segmentation_report(Path("unused"), title, example, labels, patches, pattern, 1)
    (figure,) = drawn
    FigureCanvasAgg(figure).draw()
    boxes = [axis.patch.get_window_extent() for axis in figure.axes]
    texts = [*figure.texts, *(each for axis in figure.axes for each in (axis.title, axis.xaxis.label))]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    told = [text for text in texts if text.get_text()]
    assert len(told) > 15
    for text in told:
        extent = text.get_window_extent()
        assert 0 <= extent.x0 < extent.x1 <= figure.bbox.x1, text.get_text()
        assert not any(extent.shrunk(0.95, 0.95).overlaps(box) for box in boxes), text.get_text()
