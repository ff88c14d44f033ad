"""Every registered operator keeps the contract; nothing here lists operators by name.

Export is tested in tests/models/test_export.py, in a U-Net, and at every scale in tests/stress/upsample.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import upsample

CONF = Path(__file__).parents[2] / "conf" / "upsample"
SIZES = [(1, 1), (1, 5), (7, 3), (33, 47)]


def relative_error(value: Tensor, reference: Tensor) -> float:
    """max|value - reference| / max|reference|; all may be 0 (dilated taps can all miss the output of one pixel)."""
    value, reference = value.detach().double(), reference.detach().double()
    return ((value - reference).abs().max() / reference.abs().max().clamp(min=1e-30)).item()


def test_yaml_files_and_operators_are_the_same_set() -> None:
    published = {"published"}  # names no operator: what a network enlarges by itself
    assert {path.stem for path in CONF.glob("*.yaml")} == set(upsample.available()) | published


@pytest.mark.parametrize("name", upsample.available())
def test_yaml_holds_every_option_with_its_default(name: str) -> None:
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert config == {"name": name, **upsample.available()[name].options}


def test_is_built_without_memory_too(build_variant: Callable[..., Any]) -> None:
    """On meta tensors, which have shapes alone: how large a network would be is known before it is built."""
    with torch.device("meta"):
        layer = build_variant(16, 16, 2)
    assert all(parameter.is_meta for parameter in layer.parameters())
    real = build_variant(16, 16, 2)
    assert [p.shape for p in layer.parameters()] == [p.shape for p in real.parameters()]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shapes_gradients_and_dtypes(build_variant: Callable[..., Any], offer: Callable[..., Any], scale: int) -> None:
    channels = scale**2
    layer = build_variant(channels, 4, scale)
    for size in SIZES:
        inputs = offer(channels, *size, scale)
        before = inputs[0].clone()
        x = inputs[0].requires_grad_()
        layer.zero_grad()
        y = layer(x, *inputs[1:])
        assert y.shape == (2, 4, scale * size[0], scale * size[1])
        assert y.dtype == x.dtype
        assert torch.equal(x, before), "the input was changed in place"
        (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
        for key, gradient in [("x", x.grad), *((k, p.grad) for k, p in layer.named_parameters())]:
            assert gradient is not None, key
            assert gradient.isfinite().all(), key
            # At 1 x 1 all neighbours are the same pixel, and what weighs them has no say.
            assert size in SIZES[:2] or gradient.any(), key

        exact = copy.deepcopy(layer).double()(inputs[0].double(), inputs[1].double(), inputs[2])
        assert exact.dtype == torch.float64
        assert relative_error(y, exact) < 1e-5
        with torch.autocast("cpu", torch.bfloat16):
            half = layer(*inputs)
        assert half.shape == y.shape
        assert relative_error(half, exact) < 0.05
        half.float().sum().backward()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_channels_last_and_equal_channels(
    build_variant: Callable[..., Any], offer: Callable[..., Any], scale: int
) -> None:
    channels = 4 * scale**2
    layer = build_variant(channels, channels, scale)
    twin = copy.deepcopy(layer).to(memory_format=torch.channels_last)
    for size in SIZES[:3]:
        inputs = offer(channels, *size, scale)
        last = [tensor.to(memory_format=torch.channels_last) for tensor in inputs]
        results = []
        for module, (x, *others) in ((layer, inputs), (twin, last)):
            y = module(x.requires_grad_(), *others)
            (gradient,) = torch.autograd.grad(y.square().sum(), x)
            results.append((y, gradient))
        for value, reference in zip(results[1], results[0], strict=True):
            assert relative_error(value, reference) < 1e-5


def test_half_precision_weights(build_variant: Callable[..., Any], offer: Callable[..., Any]) -> None:
    x, skip, indices = offer(8, 5, 3, 2)
    layer = build_variant(8, 4, 2)
    y = layer.bfloat16()(x.bfloat16(), skip.bfloat16(), indices)
    assert y.dtype == torch.bfloat16
    assert y.isfinite().all()


def test_state_dict_restores_the_layer(build_variant: Callable[..., Any], offer: Callable[..., Any]) -> None:
    inputs = offer(8, 5, 3, 2)
    layer, other = build_variant(8, 4, 2), build_variant(8, 4, 2)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.normal_()
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(*inputs), other(*inputs))


def test_compiles_without_a_graph_break(build_variant: Callable[..., Any], offer: Callable[..., Any]) -> None:
    torch.compiler.reset()
    inputs = offer(8, 5, 3, 2)
    layer = build_variant(8, 4, 2)
    results = []
    # aot_eager traces forward and backward as the default back end does, without its minutes of C++.
    for module in (layer, torch.compile(layer, fullgraph=True, backend="aot_eager")):
        x = inputs[0].clone().requires_grad_()
        layer.zero_grad()
        y = module(x, *inputs[1:])
        y.square().sum().backward()
        results.append([y, x.grad, *(p.grad for p in layer.parameters())])
    for value, reference in zip(*results, strict=True):
        assert torch.allclose(value, reference, rtol=1e-4, atol=1e-5)


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        upsample.build(*args, **kwargs)
    return str(caught.value)


def test_unknown_names_get_a_suggestion() -> None:
    message = refusal("dilated_decov", 4, 4, 2)
    assert "did you mean dilated_deconv?" in message
    assert "nearest" in message


def test_unknown_options_are_named_with_the_known_ones() -> None:
    message = refusal("deconv", 4, 4, 2, kernel=3)
    assert "no option kernel" in message
    assert "kernel_size" in message


@pytest.mark.parametrize("scale", [1, 0, -2, 2.0, True, "2"])
def test_scale_must_be_an_integer_of_at_least_two(scale: Any) -> None:
    assert "scale must be an integer of at least 2" in refusal("nearest", 4, 4, scale)


@pytest.mark.parametrize(("channels", "key"), [((0, 4), "in_channels"), ((4, 1.5), "out_channels")])
def test_channels_must_be_positive_integers(channels: tuple[Any, Any], key: str) -> None:
    assert key in refusal("nearest", *channels, 2)


@pytest.mark.parametrize("name", [n for n, operator in upsample.available().items() if operator.needs])
def test_a_need_that_is_not_offered_fails_at_build(name: str) -> None:
    offers = {"skip_channels": 6, "indices_channels": 5}
    for need in upsample.available()[name].needs:
        assert need in refusal(name, 4, 4, 2, **{k: v for k, v in offers.items() if k != f"{need}_channels"})
    with pytest.raises(ValueError, match="forward got none"):
        upsample.build(name, 4, 4, 2, **offers)(torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize(
    ("name", "channels", "options", "works"),
    [
        ("bilinear_additive", (6, 4), {}, "4 or 8"),
        ("bilinear_additive", (3, 4), {}, "such as 4,"),
        ("dysample", (4, 6), {}, "4 or 8"),
        ("dysample", (6, 4), {"style": "pl"}, "4 or 8"),
        ("carafe", (4, 7), {"groups": 2}, "6 or 8"),
    ],
)
def test_channels_that_groups_do_not_divide_fail_with_the_counts_that_would_work(
    name: str, channels: tuple[int, int], options: dict[str, Any], works: str
) -> None:
    assert works in refusal(name, *channels, 2, **options)


def test_registering_makes_an_operator_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsample.contract._operators", {})

    @upsample.operator("mine", needs=("skip",))
    def mine(in_channels: int, out_channels: int, scale: int, skip_channels: int, width: int = 3) -> nn.Module:
        return nn.Conv2d(skip_channels, out_channels, width)

    assert upsample.available()["mine"].options == {"width": 3}
    layer = upsample.build("mine", 4, 2, 2, skip_channels=7, width=5)
    assert layer.weight.shape == (2, 7, 5, 5)
