"""The atlas on networks of a few layers, whose answers are known; the whole of it is `python -m benchmarks atlas`."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks.atlas.architectures import Architecture
from benchmarks.atlas.look import Finding, look, look_apart
from benchmarks.atlas.page import page


def enlarging(last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), last)


def printing() -> nn.Module:
    return enlarging(nn.ConvTranspose2d(4, 2, 4, 2, 1))


def plain() -> nn.Module:
    return enlarging(nn.Upsample(scale_factor=2))


class Blurred(nn.Module):
    """A printing layer, and a low-pass after it that nulls its period."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = printing()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(nn.functional.pad(self.inner(x), (1, 0, 1, 0)), 2, stride=1)


def broken() -> nn.Module:
    raise RuntimeError("no such | network")


ROWS = {
    name: Architecture("torch", name, build, (1, 3, 32, 32))
    for name, build in (("printing", printing), ("plain", plain), ("blurred", Blurred), ("broken", broken))
}


@pytest.mark.parametrize(
    ("name", "uneven", "printed", "agree"),
    [("printing", 1, True, True), ("plain", 0, False, True), ("blurred", 1, False, False)],
)
def test_audit_and_flat_field_agree_where_they_should(name: str, uneven: int, printed: bool, agree: bool) -> None:
    found = look(ROWS[name])
    assert (found.uneven, found.printed, found.agree) == (uneven, printed, agree)
    assert found.period == 2


def test_what_fails_is_told_and_is_no_agreement() -> None:
    found = look_apart(ROWS["broken"])
    assert found.failed == "no such | network"
    assert found.agree is None


def test_the_page_counts_only_what_both_judge() -> None:
    findings = {
        ROWS["printing"]: Finding(1, 1, "ConvTranspose2d: unequal", "", 0.5, True, 2, (64, 64)),
        ROWS["plain"]: Finding(0, 1, "", "", 0.0, None, 2, (64, 64)),
        ROWS["blurred"]: Finding(1, 1, "ConvTranspose2d: unequal", "", 0.0, False, 2, (64, 64)),
        ROWS["broken"]: Finding(failed="no such | network"),
    }
    text = page(findings)
    assert "**They agree on 1\nof 2 architectures (50.0%).**" in text
    assert "2 more could not be judged by both" in text
    assert "| printing | 1 of 1 uneven: ConvTranspose2d: unequal | 50 %, period 2 | yes |  |" in text
    assert "| broken | - | - | - | not judged: no such / network |" in text
    assert "not judged: borders reach the middle" in text


def test_colours_suit_any_number_of_channels() -> None:
    one = Architecture("torch", "grey", lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Upsample(scale_factor=2)))
    found = look(Architecture(one.library, one.name, one.build, (1, 1, 32, 32)))
    assert found.agree is True
    assert torch.tensor(found.size).tolist() == [32, 32]
