"""The table: costs against the operators' own formulas, and every operator in it."""

import pytest
from torch import nn

import upsample
from upsample.pages.listing import Row, advice, macs_per_pixel, rows, table


@pytest.fixture(scope="module")
def measured() -> dict[str, Row]:
    channels, found = rows(2)
    assert channels == 64
    return {row.name: row for row in found}


def test_every_operator_is_in_the_table(measured: dict[str, Row]) -> None:
    assert list(measured) == list(upsample.available())
    assert all(row.advice for row in measured.values())


@pytest.mark.parametrize(
    ("name", "macs"),
    [  # with 64 channels in and out at scale 2, from the formulas in the docstrings
        ("nearest", 0),
        ("bilinear", 4 * 64),
        ("bicubic", 16 * 64),
        ("deconv", 4**2 / 4 * 64 * 64),
        ("dilated_deconv", 4**2 / 4 * 64 * 64),
        ("separable_deconv", 4**2 / 4 * 64 + 64 * 64),
        ("pixel_shuffle", 3**2 * 64 * 64),
        ("carafe", 5**2 * 64 + 3**2 * 64 * 5**2 + 64 * 64 / 4),
        ("sapa", 64 * 64 + 5**2 * (64 + 64) + 64 * 64 / 4),
        ("unpool", 0),
    ],
)
def test_costs_are_what_the_docstrings_say(measured: dict[str, Row], name: str, macs: float) -> None:
    assert measured[name].macs_per_pixel == pytest.approx(macs, rel=0.01, abs=0.1)


@pytest.mark.parametrize(("name", "parameters"), [("deconv", 65_600), ("dysample", 2_080), ("bilinear", 0)])
def test_parameters(measured: dict[str, Row], name: str, parameters: int) -> None:
    assert measured[name].parameters == parameters


def test_overlap_and_imbalance(measured: dict[str, Row]) -> None:
    assert measured["deconv"].overlap == (4, 4)
    assert measured["unpool"].overlap == (0, 1)
    assert measured["deconv"].imbalance < 1e-6
    assert measured["separable_deconv"].imbalance > 0.5
    assert measured["resize_conv"].imbalance < 1e-6


def test_grouped_and_transposed_convolutions_are_counted_right() -> None:
    assert macs_per_pixel(nn.Conv2d(8, 12, 3, padding=1, groups=4), 8) == 9 * 8 * 12 / 4
    assert macs_per_pixel(nn.ConvTranspose2d(8, 12, 4, 2, 1, groups=4), 8) == 16 * 8 * 12 / 4 / 4
    assert macs_per_pixel(nn.AvgPool2d(3, stride=1, padding=1), 8) == 9 * 8


def test_advice_is_the_first_pitfall_or_the_first_sentence() -> None:
    def plain() -> None:
        """Interpolates. More words."""

    def warned() -> None:
        """Interpolates.

        Pitfalls: it blurs
        a lot; and more. And more.
        """

    assert advice(plain) == "Interpolates"
    assert advice(plain, warned) == "It blurs a lot"


def test_the_table_prints_one_line_per_operator(monkeypatch: pytest.MonkeyPatch, measured: dict[str, Row]) -> None:
    monkeypatch.setattr("upsample.pages.listing.rows", lambda scale: (64, list(measured.values())))
    text = table(2)
    assert [line.split()[0] for line in text.splitlines() if line[:1].islower() and "  " in line][1:] == list(measured)
