import pytest
import torch

from benchmarks import measure
from benchmarks.forms import LAYERS, Form
from benchmarks.measure import Line

CASES = [(kernel, equal[0], form) for kernel, equal in LAYERS.values() for form in equal[1:]]


@pytest.mark.parametrize(("kernel", "used", "form"), CASES, ids=[form.__name__ for *_, form in CASES])
def test_forms_of_one_layer_are_equal_and_so_are_their_gradients(kernel: int, used: Form, form: Form) -> None:
    torch.manual_seed(0)
    inputs = [
        torch.randn(2, 5, 7, 10),
        torch.randn(*((5, 3) if kernel == 4 else (3, 5)), kernel, kernel),
        torch.randn(3),
    ]
    both = []
    for each in (used, form):
        leaves = [x.double().requires_grad_() for x in inputs]
        y = each(*leaves)
        both.append((y, *torch.autograd.grad(y.square().sum(), leaves)))
    for expected, found in zip(*both, strict=True):
        torch.testing.assert_close(found, expected)


def test_a_line_is_judged_by_its_median_from_the_right_side() -> None:
    assert Line("a", "b", [1, 2, 9], target=2).reached
    assert Line("a", "b", [1, 3, 9], target=2, at_least=False).reached is False
    assert Line("a", "b", [1], target=None).reached is None


def test_works_take_turns_after_one_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TURN", 0)  # so that a turn is one call
    seen: list[str] = []
    times = measure.take_turns([lambda: seen.append("a"), lambda: seen.append("b")], rounds=2)
    assert seen == ["a", "b", "a", "b", "a", "b"]
    assert [len(each) for each in times] == [2, 2]
