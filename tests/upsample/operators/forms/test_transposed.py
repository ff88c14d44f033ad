"""Transposed convolution against its definition, torch, JAX and ONNX Runtime, with both gradients.

The definition is `literal`: input pixel i and tap k meet at output pixel s*i + d*k - p. Kernel sizes
1-7, strides 1-4 and dilations 1-4, all of them, holes included.
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import jax
import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from jax import lax
from torch import Tensor, nn

from upsample import overlap, padding_for
from upsample.operators.deconv import TransposedConv

BATCH, IN, OUT, HEIGHT, WIDTH = 2, 3, 2, 4, 5
GRID = list(product(range(1, 8), range(1, 5), range(1, 5)))  # kernel_size, stride, dilation
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # output, gradient to x, gradient to the weight


def geometry(kernel_size: int, stride: int, dilation: int) -> tuple[int, int]:
    """padding and output_padding, as the layers choose them, where ONNX too can express that."""
    padding, output_padding = padding_for(kernel_size, stride, dilation)
    return padding, output_padding if output_padding < stride else 0


def example(kernel_size: int, stride: int, dilation: int) -> Arrays:
    """x (N, IN, H, W), weight (IN, OUT, k, k) and a gradient of the output's shape, float64."""
    random = np.random.default_rng([kernel_size, stride, dilation])
    padding, output_padding = geometry(kernel_size, stride, dilation)
    reach = dilation * (kernel_size - 1) + 1 - 2 * padding + output_padding
    large = [stride * (size - 1) + reach for size in (HEIGHT, WIDTH)]
    shapes = ((BATCH, IN, HEIGHT, WIDTH), (IN, OUT, kernel_size, kernel_size), (BATCH, OUT, *large))
    x, weight, gradient = (random.standard_normal(shape) for shape in shapes)
    return x, weight, gradient


def literal(
    x: np.ndarray, weight: np.ndarray, gradient: np.ndarray, stride: int, dilation: int, padding: int
) -> Arrays:
    """The output, and the gradients of sum(output * gradient) to x and to the weight, by the definition."""
    y, x_gradient, weight_gradient = np.zeros_like(gradient), np.zeros_like(x), np.zeros_like(weight)
    taps = range(weight.shape[2])
    for i, j, k, m in product(range(x.shape[2]), range(x.shape[3]), taps, taps):
        row, column = stride * i + dilation * k - padding, stride * j + dilation * m - padding
        if 0 <= row < y.shape[2] and 0 <= column < y.shape[3]:
            y[:, :, row, column] += x[:, :, i, j] @ weight[:, :, k, m]
            x_gradient[:, :, i, j] += gradient[:, :, row, column] @ weight[:, :, k, m].T
            weight_gradient[:, :, k, m] += x[:, :, i, j].T @ gradient[:, :, row, column]
    return y, x_gradient, weight_gradient


def check(values: Sequence[np.ndarray], references: Sequence[np.ndarray], tolerance: float) -> None:
    for value, reference in zip(values, references, strict=True):
        assert value.shape == reference.shape
        # Where every tap falls outside the output, everything is 0.
        assert np.abs(value - reference).max() <= tolerance * np.abs(reference).max()


@pytest.fixture(scope="module")
def definition() -> dict[tuple[int, int, int], tuple[Arrays, Arrays]]:
    """For every setting of the grid: what goes in, and what must come out."""
    found = {}
    for setting in GRID:
        inputs = example(*setting)
        found[setting] = inputs, literal(*inputs, *setting[1:], geometry(*setting)[0])
    return found


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_torch(definition: Any, dtype: Any) -> None:
    for setting, (inputs, reference) in definition.items():
        x, weight, gradient = (torch.from_numpy(array.astype(dtype)) for array in inputs)
        x.requires_grad_(), weight.requires_grad_()
        padding, output_padding = geometry(*setting)
        y = F.conv_transpose2d(x, weight, None, setting[1], padding, output_padding, dilation=setting[2])
        results = (y, *torch.autograd.grad(y, (x, weight), gradient))
        check([t.detach().numpy() for t in results], reference, TOLERANCE[dtype])


# Each setting compiles anew: XLA without its optimisations takes a fifth of the time.
@partial(
    jax.jit,
    static_argnums=(3, 4, 5, 6),
    compiler_options={"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False},
)
def jax_transposed(
    x: jax.Array,
    weight: jax.Array,
    gradient: jax.Array,
    stride: int,
    dilation: int,
    padding: int,
    output_padding: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What `literal` returns: a convolution of the stride-spaced input with the turned kernel, and its pullback."""
    before = dilation * (weight.shape[2] - 1) - padding

    def forward(x: jax.Array, weight: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            weight[:, :, ::-1, ::-1].swapaxes(0, 1),
            window_strides=(1, 1),
            padding=((before, before + output_padding),) * 2,
            lhs_dilation=(stride, stride),
            rhs_dilation=(dilation, dilation),
        )

    y, pullback = jax.vjp(forward, x, weight)
    return y, *pullback(gradient)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_jax(definition: Any, dtype: Any) -> None:
    with jax.enable_x64(True):
        for (kernel_size, stride, dilation), (inputs, reference) in definition.items():
            arrays = [array.astype(dtype) for array in inputs]
            results = jax_transposed(*arrays, stride, dilation, *geometry(kernel_size, stride, dilation))
            check([np.asarray(result) for result in results], reference, TOLERANCE[dtype])


@pytest.mark.parametrize(("dtype", "torch_dtype"), [(np.float32, torch.float32), (np.float64, torch.float64)])
def test_our_layer(definition: Any, dtype: Any, torch_dtype: Any) -> None:
    for setting, (inputs, reference) in definition.items():
        kernel_size, stride, dilation = setting
        if stride == 1:
            continue  # nothing to upsample, and torch and ONNX cannot express the size with an even kernel
        layer = TransposedConv(IN, OUT, stride, kernel_size, dilation, bias=False, allow_holes=True).to(torch_dtype)
        x, weight, gradient = (torch.from_numpy(array.astype(dtype)) for array in inputs)
        with torch.no_grad():
            layer.conv.weight.copy_(weight)
        y = layer(x.requires_grad_())
        assert y.shape == (BATCH, OUT, stride * HEIGHT, stride * WIDTH)
        results = (y, *torch.autograd.grad(y, (x, layer.conv.weight), gradient))
        check([t.detach().numpy() for t in results], reference, TOLERANCE[dtype])


def test_overlap_counts_the_taps_and_holes_of_the_definition() -> None:
    for kernel_size, stride, dilation in GRID:
        reach = dilation * (kernel_size - 1)
        first = -(-reach // stride) * stride  # the first period that every tap can reach
        counts = [0] * (first + stride * 2 + reach)
        for i, k in product(range(first // stride + 2), range(kernel_size)):
            counts[stride * i + dilation * k] += 1
        interior = tuple(counts[first : first + stride])
        found = overlap(kernel_size, stride, dilation)
        assert found.taps == (interior, interior)
        plane = np.multiply.outer(interior, interior)
        assert found.hole_fraction == pytest.approx((plane == 0).mean())
        assert found.variation == pytest.approx(plane.std() / plane.mean())


class AllSettings(nn.Module):
    """One layer per setting of the grid, all reading the same x: a single export covers them all."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for (kernel_size, stride, dilation), weight in zip(GRID, weights, strict=True):
            padding, output_padding = geometry(kernel_size, stride, dilation)
            layer = nn.ConvTranspose2d(
                IN, OUT, kernel_size, stride, padding, output_padding, bias=False, dilation=dilation
            )
            layer.weight = nn.Parameter(weight)
            self.layers.append(layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [layer(x) for layer in self.layers]


def test_onnx_runtime(definition: Any) -> None:
    x = next(iter(definition.values()))[0][0]
    weights = [inputs[1] for inputs, _ in definition.values()]
    model = AllSettings([torch.from_numpy(weight).float() for weight in weights]).eval()
    example_input = torch.from_numpy(x).float()
    program = torch.onnx.export(model, (example_input,), dynamo=True, opset_version=18, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    results = session.run(None, {session.get_inputs()[0].name: example_input.numpy()})
    for (setting, (inputs, _)), weight, result in zip(definition.items(), weights, results, strict=True):
        _, stride, dilation = setting
        reference = literal(x, weight, inputs[2], stride, dilation, geometry(*setting)[0])[0]
        check([result], [reference], TOLERANCE[np.float32])
