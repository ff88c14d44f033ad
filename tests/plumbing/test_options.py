from typing import Annotated, Any, Literal

import pytest

from plumbing.options import OptionError, Range, check_options, fits, words


def target(
    *,
    kind: Literal["first", "second"] = "first",
    size: Literal[32, 64] = 32,
    share: Annotated[float, Range(0, 1)] = 0.5,
    rate: Annotated[float, Range(0, open="low")] = 0.1,
    decay: Annotated[float, Range(0, 1, open="high")] = 0.9,
    count: Annotated[int, Range(1)] | None = None,
    rates: list[Annotated[float, Range(0)]] | None = None,
) -> None: ...


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "frist"}, "x.kind is 'frist', which does not exist; did you mean first? choose from first, second"),
        ({"kind": "zzz"}, "x.kind is 'zzz', which does not exist; choose from first, second"),
        ({"kind": 1}, "x.kind must be first or second, not 1"),
        ({"size": 48}, "x.size must be 32 or 64, not 48"),
        ({"size": True}, "x.size must be 32 or 64, not True"),
        ({"share": 1.5}, "x.share must be a number from 0 to 1, not 1.5"),
        ({"share": float("nan")}, "x.share must be a number from 0 to 1, not nan"),
        ({"share": "half"}, "x.share must be a number from 0 to 1, not 'half'"),
        ({"rate": 0}, "x.rate must be a number above 0, not 0"),
        ({"decay": 1}, "x.decay must be a number from 0 to 1, 1 excluded, not 1"),
        ({"count": 0}, "x.count must be a whole number of at least 1 or null, not 0"),
        ({"count": True}, "x.count must be a whole number of at least 1 or null, not True"),
        ({"rates": [1, -1]}, "x.rates must be a list (a number of at least 0 each) or null, not [1, -1]"),
        ({"knd": "first"}, "x.knd does not exist; did you mean kind? choose from kind, size, share, rate"),
    ],
)
def test_what_the_types_do_not_allow_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_options("x", target, options)
    assert str(refused.value).startswith(sentence)


def test_the_bounds_themselves_are_allowed() -> None:
    check_options("x", target, {"share": 0, "rate": 1e-9, "decay": 0, "count": 1, "rates": [0], "kind": "second"})
    check_options("x", target, {"share": 1, "count": None, "rates": None, "size": 64})


def test_a_missing_option_is_named_with_what_it_takes() -> None:
    def needs(*, share: Annotated[float, Range(0, 1)]) -> None: ...

    with pytest.raises(OptionError, match=r"x.share is missing; give it a number from 0 to 1"):
        check_options("x", needs, {})


def test_ranges_without_a_low_end() -> None:
    assert words(Annotated[int, Range(high=5)]) == "a whole number of at most 5"
    assert not fits(6, Annotated[int, Range(high=5)])
