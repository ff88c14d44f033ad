"""A repaired file prints nothing on constants in ONNX Runtime, and is otherwise the file that it was."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import upsample
from upsample.__main__ import main
from upsample.instrument.noise import pink_noise
from upsample.onnx_files import repair as module
from upsample.onnx_files.audit import audit_onnx
from upsample.onnx_files.files import read, tensors, values_of
from upsample.onnx_files.repair import repair_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402  # where it is not installed the file ends above


def answers(path: Path, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def uneven(path: Path, size: tuple[int, ...]) -> float:
    """Largest departure from a constant, away from the border, of what a constant turns into, in ONNX Runtime."""
    colour = torch.linspace(-1, 2, size[1]).view(1, -1, *[1] * (len(size) - 2))
    y = answers(path, colour.expand(size).contiguous())
    inner = y[..., *[slice(n // 3, 2 * n // 3) for n in y.shape[2:]]].flatten(2)
    return (inner - inner.mean(2, keepdim=True)).abs().max().item()


@pytest.mark.parametrize(
    "name", ["deconv", "groups", "strides", "1-D", "3-D", "batch norm", "pixel shuffle", "3-D shuffle", "1-D shuffle"]
)
def test_nothing_is_printed_and_the_weights_are_those_of_the_module(
    name: str, network: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    model, size = network(name)
    path = exported(model, size)
    before = path.read_bytes()
    found = repair_onnx(path)
    assert path.read_bytes() == before
    assert found.path == path.with_name("net_repaired.onnx")
    assert uneven(path, size) > 0.01
    assert uneven(found.path, size) < 1e-5
    expected = copy.deepcopy(model)
    expected_layer = upsample.repair(expected).layers[0]
    assert found.repair.layers[0].before == pytest.approx(expected_layer.before, abs=1e-6)
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(answers(found.path, x), expected(x), rtol=1e-4, atol=1e-5)
    (layer,) = [layer for layer in audit_onnx(found.path).layers if layer.kind == "upsampling"]
    assert layer.verdict == "even"
    # Nothing else was touched.
    old, new = read(path), read(found.path)
    changed = [a.name for a, b in zip(tensors(old), tensors(new), strict=True) if a != b]
    assert changed
    assert set(changed) <= {"weight", "bias", "0.weight", "0.bias", "conv.weight", "conv.bias"}
    for tensor in [*tensors(old), *tensors(new)]:
        if tensor.name in changed:
            tensor.Clear()
    assert old == new


def test_biases_of_patches_agree_on_the_images_mean(network: Callable[..., Any], exported: Callable[..., Path]) -> None:
    model, size = network("patches")
    path = exported(model, size)
    alone = repair_onnx(path)
    assert alone.path is None
    assert "nothing was written" in str(alone)
    assert "without images its bias says nothing" in str(alone)
    images = torch.rand(4, *size[1:], generator=torch.Generator().manual_seed(2))
    found = repair_onnx(path, images=[*images])
    expected = copy.deepcopy(model)
    upsample.repair(expected, [image[None] for image in images])
    assert not torch.equal(expected.head.bias, model.head.bias)
    with torch.no_grad():
        torch.testing.assert_close(answers(found.path, images[:1]), expected(images[:1]), rtol=1e-4, atol=1e-5)


def test_the_pattern_is_measured_by_shifting_images(network: Callable[..., Any], exported: Callable[..., Path]) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 2, stride=2), network("deconv")[0], nn.Conv2d(4, 1, 3, padding=1)).eval()
    path = exported(model, (1, 1, 64, 64), dynamic_axes={"x": {2: "h", 3: "w"}})
    images = [*(pink_noise(8, 96, 96) + 1)]
    found = repair_onnx(path, path.with_name("other.onnx"), images)
    assert found.before.pattern.shown
    assert not found.after.pattern.shown
    assert "dB less" in str(found)
    assert "before: fixed pattern of" in str(found)
    assert "after: none shown" in str(found)
    small = repair_onnx(path, path.with_name("other.onnx"), [image[:, :24, :24] for image in images])
    assert "not measured: needs at least 2 images" in str(small)


def test_what_something_else_uses_is_kept(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(torch.randn(3, 3, 4, 4).numpy(), "w")
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["a"], strides=[2, 2], name="first"),
        helper.make_node("ConvTranspose", ["a", "w"], ["y"], strides=[2, 2], name="second"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)
    graph = helper.make_graph(nodes, "graph", [x], [y], [weight])
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "a.onnx")
    found = repair_onnx(tmp_path / "a.onnx")
    assert found.path is None
    assert [layer.names for layer in found.repair.layers] == [("first",), ("second",)]
    assert "something else in the graph uses its weights" in found.repair.layers[0].kept
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_half_precision_keeps_its_type(network: Callable[..., Any], exported: Callable[..., Path]) -> None:
    path = exported(network("deconv")[0].half(), (1, 3, 16, 16))
    made = read(path)
    for tensor in made.graph.initializer:
        assert tensor.data_type == TensorProto.FLOAT16
    found = repair_onnx(path)
    assert found.repair.layers[0].after < 0.01 < found.repair.layers[0].before
    assert all(values_of(tensor).dtype == torch.float16 for tensor in read(found.path).graph.initializer)


def test_what_was_not_meant_is_not_left_there(
    network: Callable[..., Any], exported: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(*network("deconv"))
    honest = module.store
    monkeypatch.setattr(module, "store", lambda values, tensor: honest(values + 1, tensor))
    with pytest.raises(ValueError, match="did not come back as it was written"):
        repair_onnx(path)

    def elsewhere(values: Tensor, tensor: Any) -> None:
        honest(values, tensor)
        tensor.name += "x"

    monkeypatch.setattr(module, "store", elsewhere)
    with pytest.raises(ValueError, match="ONNX's own check"):
        repair_onnx(path)
    assert [found.name for found in path.parent.iterdir()] == ["net.onnx"]
    with pytest.raises(ValueError, match="is the file itself"):
        repair_onnx(path, path)


def test_the_command(
    network: Callable[..., Any], exported: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 2, stride=2), network("deconv")[0]).eval()
    path = exported(model, (1, 3, 64, 64), dynamic_axes={"x": {2: "h", 3: "w"}})
    (tmp_path / "photos").mkdir()
    for seed in range(6):
        pixels = pink_noise(3, 80, 80, seed)[:, 0].movedim(0, 2).mul(40).add(128).clamp(0, 255).byte()
        Image.fromarray(pixels.numpy()).save(tmp_path / "photos" / f"{seed}.png")
    words = ["--images", str(tmp_path / "photos"), "--mean", "0.5", "--std", "0.25", "-o", str(tmp_path / "o.onnx")]
    main(["repair", str(path), *words])
    printed = capsys.readouterr().out
    assert "/1/ConvTranspose  imbalance" in printed
    assert "on 4 images of 80x80 pixels" in printed
    assert printed.endswith(f"{tmp_path / 'o.onnx'}\n")
    first = np.asarray(Image.open(tmp_path / "photos" / "0.png")).transpose(2, 0, 1)[None] / 255
    assert answers(tmp_path / "o.onnx", torch.tensor((first - 0.5) / 0.25, dtype=torch.float32)).shape[2:] == (80, 80)
    with pytest.raises(SystemExit):
        main(["repair", str(path), "--images", str(tmp_path / "photos"), "--mean", "1", "2"])
    assert "--mean and --std are 1 or 3 numbers" in capsys.readouterr().err
