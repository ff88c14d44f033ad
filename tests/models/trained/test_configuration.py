"""What a file says of its network, value by value wrong."""

import copy
from typing import Any

import pytest

from models.trained.configuration import check

GOOD: dict[str, Any] = {
    "task": {"name": "segmentation"}, "model": {"name": "unet"}, "upsample": {"name": "deconv"},
    "encoder": {"family": "plain", "width": 4}, "data": {"name": "earth", "root": "写真　と/été"}, "seed": 0,
    "mean": [0.3, 0, 1], "std": [0.2, 1, 1e-6], "classes": ["ocean", "بحر"], "palette": [[0, 0, 200], [255, 7, 0]],
    "ignore_index": 255, "labels": [0, 7], "ignored": [255], "span": None,
}  # fmt: skip
GENERATOR = GOOD | {"task": {"name": "gan"}, "model": {"name": "sngan", "classes": "auto"}}
NAN, INF = float("nan"), float("inf")
VALUES = {"unit": "m", "mean": 3.5, "std": 2.0, "low": -1.0, "high": 9.0}
REGRESSION = GOOD | {"task": {"name": "regression"}, "values": VALUES}
OVERLAPPING = GOOD | {"task": {"name": "segmentation", "labels": "overlapping"}, "thresholds": [0.5, 0.015]}


def test_what_is_right_passes() -> None:
    check(GOOD)
    check({key: value for key, value in GOOD.items() if key not in ("labels", "ignored", "span")})


@pytest.mark.parametrize(("key", "values"), [
    ("mean", [None, 0.5, "half", [], [0.1, 0.2], [NAN, 0, 0], [INF, 0, 0], [-0.1, 0, 0], [2, 0, 0], [True, 0, 0],
              ["0.5", 0, 0], [[0.5], 0, 0], {"r": 0.5}, [10**400, 0, 0]]),
    ("std", [None, [0, 0.1, 0.1], [-1, 1, 1], [NAN, 1, 1], [1e-30, 1, 1], [True, 1, 1], [0.1] * 4, [5, 1, 1]]),
    ("palette", [None, [], [[0, 0, 0]], [[0, 0], [1, 1]], [[0, 0, 256], [0, 0, 0]], [[-1, 0, 0], [0, 0, 0]],
                 [[0.5, 0, 0], [0, 0, 0]], [["ff", 0, 0], [0, 0, 0]], [None, [0, 0, 0]], [True, False],
                 [[True, 0, 0], [0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]], ["red", "blue"], {"0": [0, 0, 0]}]),
    ("classes", [None, [], "ab", [1, 2], ["a", None], [["a"], ["b"]], ["a\x1b[2J", "b"], ["a\nb", "c"],
                 ["\x9b31m", "b"], ["\ud800", "b"], ["x" * 5000, "b"]]),
    ("ignore_index", [None, 0.5, "255", True, 10**30, [255]]),
    ("seed", [None, -1, 2**32, 0.5, "0", True, NAN]),
    ("labels", [[0], [0, 0], [0.5, 1], [True, False], [10**12, 0], "01"]),
    ("span", [[0], [1, 0], [0, NAN], [0, INF], [False, True], "01"]),
    ("task", [None, {}, {"name": 3}, {"name": "unheard"}, {"name": "gan\x1b]0;x\x07"}, ["segmentation"]]),
    ("encoder", [None, 3, []]),
    ("model", [{"name": "unet", "width": 10**9}, {"name": "unet", "width": NAN}, {"name": "unet", "a": (1, 2)},
               {"name": "unet", 3: 4}, {"name": "unet", "\x1b[31m": 1}, {"name": "unet", "a": b"bytes"}]),
    ("data", [{"name": "earth", "batch_size": 2**80}, {"name": "earth", "root": "a\x00b"},
              {"name": "earth", "weights": [INF]}, {"name": "earth", "a": [[[[[[[1]]]]]]]}]),
    ("note", [set(), object, 1j, ["x"] * 30_000]),
])  # fmt: skip
def test_what_is_wrong_is_one_printable_sentence(key: str, values: list[Any]) -> None:
    for value in values:
        config = copy.deepcopy(GOOD) | {key: value}
        with pytest.raises(ValueError, match=r".") as error:
            check(config)
        sentence = str(error.value)
        assert sentence.isprintable(), repr(value)
        assert len(sentence) < 400, repr(value)
        assert key in sentence or key == "note" or "levels" in sentence, sentence


def test_values_and_thresholds_that_are_right_pass() -> None:
    for config in (REGRESSION, OVERLAPPING, GENERATOR):
        check(config)
    check(OVERLAPPING | {"task": {"name": "segmentation", "labels": "binary"}, "thresholds": [0.9]})


@pytest.mark.parametrize(
    ("config", "key", "values"),
    [
        (REGRESSION, "values", [None, {}, [1], VALUES | {"std": 0}, VALUES | {"mean": NAN}, VALUES | {"low": 9.0},
                                VALUES | {"unit": 3}, VALUES | {"unit": "\x1b[2J"}, VALUES | {"more": 1}]),
        (REGRESSION, "encoder", [None]),
        (OVERLAPPING, "thresholds", [None, [], [0.5], [0.5, 1.0], [0.5, 0], [0.5, NAN], [True, 0.5], "ab", {"a": 0.5}]),
        (GOOD, "thresholds", [[0.5, 0.5], []]),
        (GENERATOR, "classes", [None, [], "ab", [1, 2], ["a\x1b[2J", "b"]]),
    ],
)  # fmt: skip
def test_values_and_thresholds_that_are_wrong_are_refused(config: Any, key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=key) as error:
            check(config | {key: value})
        assert str(error.value).isprintable()


@pytest.mark.parametrize("config", [None, [], "text", 3, {}])
def test_what_is_no_configuration_is_refused(config: Any) -> None:
    with pytest.raises(ValueError, match="configuration"):
        check(config)
