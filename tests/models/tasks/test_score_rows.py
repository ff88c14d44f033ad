import pytest

from models.tasks.score_rows import LEVEL, percent, prints, row
from upsample.instrument import fixed_pattern, words


def test_what_takes_torch_to_import_says_the_same() -> None:
    assert LEVEL == fixed_pattern.LEVEL
    for share in (0.018, 0.00012, 0.5, 1.0, 0.0):
        assert percent(share) == words.percent(share)


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [({"test/grid/fixed/probability": 0.03}, True), ({"test/grid/fixed/probability": 0.04}, False), ({}, None)],
)
def test_a_pattern_is_shown_not_shown_or_not_measured(metrics: dict[str, object], shown: bool | None) -> None:
    assert prints(metrics) is shown


def test_a_key_finds_its_row_and_what_is_in_none_has_none() -> None:
    assert (found := row("test/iou/lake")) is not None
    assert found.name == "iou"
    assert row("test/nobody") is None
