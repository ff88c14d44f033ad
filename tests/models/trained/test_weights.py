"""Weights of every kind that torch can hold and that no network of this project has."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.trained.saved import Saved, Trained

warnings.filterwarnings("ignore", ".*(Sparse|nested|quantize).*")
KEY = "decoder.blocks.0.upsample"  # as far as it is the same for all

Change = Callable[[Tensor], Any]
BAD: dict[str, tuple[Change, str]] = {
    "sparse": (lambda w: w.to_sparse(), "are sparse or nested"),
    "sparse rows": (lambda w: w.flatten(1).to_sparse_csr(), "are sparse or nested"),
    "nested": (lambda w: torch.nested.nested_tensor(list(w)), "are sparse or nested"),
    "meta": (lambda w: w.to("meta"), "are on the device meta"),
    "quantised": (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "are of qint8"),
    "float8": (lambda w: w.to(torch.float8_e4m3fn), "are of float8_e4m3fn"),
    "uint16": (lambda w: w.to(torch.uint16), "are of uint16"),
    "complex": (lambda w: w.to(torch.complex64), "are of complex64"),
    "whole numbers": (lambda w: w.long(), "are of torch.int64, but the network has torch.float32"),
    "true and false": (lambda w: w.bool(), "are of torch.bool, but the network has torch.float32"),
    "one number": (lambda w: w.new_zeros(1).expand(w.shape), "are one number shown as many"),
    "NaN": (lambda w: w.clone().index_fill_(0, torch.tensor([0]), float("nan")), "hold NaN or infinity"),
    "infinity": (lambda w: torch.full_like(w, float("inf")), "hold NaN or infinity"),
    "too large": (lambda w: torch.full_like(w, 1e300, dtype=torch.float64), "hold NaN or infinity"),
    "another shape": (lambda w: w[:1], "in the file and"),
    "no tensor": (lambda w: w.tolist(), "are a list"),
    "nothing": (lambda w: None, "are a NoneType"),
}


@pytest.fixture(scope="module")
def saved() -> Saved:
    """The configuration and weights of a small U-Net."""
    import models

    torch.manual_seed(0)
    config = {
        "task": {"name": "segmentation"}, "model": {"name": "unet"}, "upsample": {"name": "deconv"},
        "encoder": {"family": "plain", "width": 4, "depth": 1}, "data": {"name": "earth"}, "seed": 0, "mean": [0.5] * 3,
        "std": [0.5] * 3, "classes": ["a", "b"], "palette": [[0, 0, 0], [255, 255, 255]], "ignore_index": 255,
    }  # fmt: skip
    return Saved(config, models.build(config, 3, 2).state_dict())


@pytest.mark.parametrize("name", BAD)
def test_weights_that_are_no_plain_numbers_are_one_sentence_with_their_name(name: str, saved: Saved) -> None:
    change, reason = BAD[name]
    key = next(key for key, value in saved.weights.items() if value.ndim == 4)
    with pytest.raises(ValueError, match=reason) as error:
        Trained(Saved(saved.config, saved.weights | {key: change(saved.weights[key])}))
    sentence = str(error.value)
    assert key in sentence
    assert sentence.isprintable()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_width_are_taken(dtype: torch.dtype, saved: Saved) -> None:
    net = Trained(
        Saved(saved.config, {k: v.to(dtype) if v.is_floating_point() else v for k, v in saved.weights.items()})
    )
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_weights_in_another_order_of_memory_are_taken(saved: Saved) -> None:
    weights = {k: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in saved.weights.items()}
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(Trained(Saved(saved.config, weights))(x), Trained(saved)(x))


def test_variances_below_zero_and_names_that_are_none_are_refused(saved: Saved) -> None:
    key = next(key for key in saved.weights if key.endswith("running_var"))
    with pytest.raises(ValueError, match="variances below zero"):
        Trained(Saved(saved.config, saved.weights | {key: -saved.weights[key]}))
    with pytest.raises(ValueError, match="a name that is a int, not text"):
        Trained(Saved(saved.config, saved.weights | {3: torch.zeros(1)}))  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"\\x1b\[2J is \(1,\) in the file and missing") as error:
        Trained(Saved(saved.config, saved.weights | {"a\x1b[2J": torch.zeros(1)}))
    assert str(error.value).isprintable()
