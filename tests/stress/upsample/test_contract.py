"""The slow part of the contract: the real compiler, and export at every scale. Minutes, so not in the default suite.

Run with `pytest tests/stress/upsample`.
"""

from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import upsample


def check_compiled(layer: nn.Module, offer: Callable[..., tuple[Tensor, Tensor, Tensor]], last: bool) -> None:
    """One dynamic compilation, forward and backward, without a graph break, right at three sizes."""
    torch.compiler.reset()
    memory_format = torch.channels_last if last else torch.contiguous_format
    layer = layer.to(memory_format=memory_format)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for size in ((7, 3), (33, 47), (5, 8)):
        results = []
        for module in (layer, compiled):
            x, *others = (tensor.to(memory_format=memory_format) for tensor in offer(8, *size, 2))
            layer.zero_grad()
            y = module(x.requires_grad_(), *others)
            y.square().mean().backward()
            results.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
        for value, reference in zip(*results, strict=True):
            assert (value - reference).abs().max() <= 1e-4 * reference.abs().max() + 1e-7


@pytest.mark.parametrize("channels_last", [False, True])
def test_inductor(build_variant: Callable[..., Any], offer: Callable[..., Any], channels_last: bool) -> None:
    check_compiled(build_variant(8, 4, 2), offer, channels_last)


@pytest.mark.parametrize("padding_mode", ["reflect", "replicate", "circular"])
def test_inductor_with_other_borders(offer: Callable[..., Any], padding_mode: str) -> None:
    check_compiled(upsample.build("resize_conv", 8, 4, 2, padding_mode=padding_mode), offer, True)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_onnx(
    build_variant: Callable[..., Any], offer: Callable[..., Any], offered: Callable[..., Any], scale: int
) -> None:
    channels = 4 * scale**2
    layer = offered(build_variant(channels, channels, scale)).eval()
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        layer,
        offer(channels, 5, 7, scale),
        dynamo=True,
        opset_version=18,
        dynamic_shapes=(free, free, free),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    names = [port.name for port in session.get_inputs()]
    for size in ((1, 1), (1, 5), (7, 3), (33, 47)):
        inputs = offer(channels, *size, scale)
        feed = dict(zip(("x", "skip", "indices"), (tensor.numpy() for tensor in inputs), strict=True))
        (y,) = session.run(None, {name: feed[name] for name in names})
        with torch.no_grad():
            reference = layer(*inputs)
        assert (torch.from_numpy(y) - reference).abs().max() <= 1e-5 * reference.abs().max()
