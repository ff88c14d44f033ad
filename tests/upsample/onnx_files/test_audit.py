"""ONNX files are judged as the modules are that they were written of, and what cannot be read says so."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.__main__ import main
from upsample.models.flat_field import colours_of, flat_field
from upsample.onnx_files.audit import audit_onnx, flat_field_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402  # where it is not installed the file ends above

NETWORKS = (
    *("deconv", "groups", "strides", "1-D", "3-D", "batch norm"),
    *("pixel shuffle", "3-D shuffle", "1-D shuffle", "patches"),
)


def saved(path: Path, nodes: list[Any], tensors: dict[str, Any], channels: int = 3, functions: str = "") -> Path:
    """A file of these nodes, from x (1, channels, 16, 16) to y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(t.numpy() if isinstance(t, Tensor) else t, name) for name, t in tensors.items()],
    )
    imports = [helper.make_opsetid("", 18), *([helper.make_opsetid(functions, 1)] if functions else [])]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_are_those_of_the_module(
    name: str, network: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    model, size = network(name)
    found = [layer for layer in audit_onnx(exported(model, size)).layers if layer.kind == "upsampling"]
    expected = [layer for layer in upsample.audit(model, torch.zeros(size)).layers if layer.kind == "upsampling"]
    assert len(found) == len(expected) == 1
    assert "unequal" in found[0].verdict or "uneven" in found[0].verdict
    assert (found[0].verdict, found[0].mend) == (expected[0].verdict, expected[0].mend)
    for number in ("imbalance", "worst", "bias", "imaging", "hole_fraction"):
        assert getattr(found[0], number) == pytest.approx(getattr(expected[0], number), abs=1e-6)


class Net(nn.Module):
    """Much of what enlarges and strides."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce, self.up = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(F.max_pool2d(self.reduce(x).relu(), 2))
        x = F.interpolate(F.interpolate(x, scale_factor=2, mode="bilinear"), scale_factor=3, mode="nearest")
        x = F.interpolate(F.avg_pool2d(x, 3), scale_factor=2, mode="bicubic", align_corners=True)
        x = F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2)
        return x[:, :, ::2, ::2]


@pytest.mark.parametrize("free", [False, True])
def test_everything_that_enlarges_or_strides_is_listed(free: bool, exported: Callable[..., Path]) -> None:
    model = Net().eval()
    axes = {"dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}} if free else {}
    report = audit_onnx(exported(model, (1, 3, 32, 32), **axes))
    assert report.unseen == ()
    assert [(layer.kind, layer.what) for layer in report.layers] == [
        ("strided", "Conv2d 3->8 k3 s2"),
        ("strided", "MaxPool k2 s2"),
        ("upsampling", "ConvTranspose2d 8->8 k4 s2"),
        ("upsampling", "Resize bilinear s2"),
        ("upsampling", "Resize nearest s3"),
        ("strided", "AveragePool k3 s3"),
        ("upsampling", "Resize bicubic s2 align_corners"),
        ("upsampling", "DepthToSpace CRD s2"),
        ("strided", "slicing by steps of 2 along axes 2, 3"),
    ]
    names = {layer.what: layer for layer in report.layers}
    assert names["slicing by steps of 2 along axes 2, 3"].hole_fraction == 0.75
    assert names["DepthToSpace CRD s2"].verdict.startswith("not measured: what it deals out is not one convolution")
    assert names["ConvTranspose2d 8->8 k4 s2"].name == "/up/ConvTranspose"
    of_torch = {layer.what: layer for layer in upsample.audit(model, torch.zeros(1, 3, 32, 32)).layers}
    assert names["Resize bilinear s2"].imaging == pytest.approx(of_torch["F.interpolate bilinear s2"].imaging)
    assert names["AveragePool k3 s3"].aliasing == pytest.approx(of_torch["F.avg_pool2d k3 s3"].aliasing)


@pytest.mark.parametrize(("mode", "order"), [("CRD", "nchw"), ("DCR", "channels last")])
def test_both_orders_of_depth_to_space(mode: str, order: str, tmp_path: Path) -> None:
    """One output channel of three prints, in either order, by hand."""
    weight = torch.zeros(12, 3, 1, 1)
    phases = weight.view(3, 4, 3) if mode == "CRD" else weight.view(4, 3, 3).transpose(0, 1)
    phases[:, :, 0] = 1.0
    phases[1, :, 0] = torch.tensor([2.0, 0, 1, 1])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("DepthToSpace", ["c"], ["y"], name="last", blocksize=2, mode=mode),
    ]
    path = saved(tmp_path / "net.onnx", nodes, {"w": weight})
    (layer,) = audit_onnx(path).layers
    words = ", channels last" if mode == "DCR" else ""
    assert (layer.name, layer.what) == ("last", f"DepthToSpace {mode} s2 after Conv2d 3->12 k1{words}")
    assert layer.worst == pytest.approx(0.5**0.5)
    assert layer.imbalance == pytest.approx((0.5 / 3) ** 0.5)
    # ONNX Runtime prints it where it is said to be printed.
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": torch.ones(1, 3, 16, 16).numpy()})
    assert [float(made[0, c].std()) for c in range(3)] == pytest.approx([0, 0.5**0.5, 0])


def test_weights_as_constants_and_behind_copies_are_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(3, 4, 4, stride=2, bias=False)
    tensor = numpy_helper.from_array(layer.weight.detach().numpy())
    nodes = [
        helper.make_node("Constant", [], ["w0"], value=tensor),
        helper.make_node("Identity", ["w0"], ["w"]),
        helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]),
    ]
    (found,) = audit_onnx(saved(tmp_path / "net.onnx", nodes, {})).layers
    assert (found.name, found.imbalance) == ("y", pytest.approx(upsample.phase_imbalance(layer)))


def test_what_is_not_read_says_why(tmp_path: Path) -> None:
    whole = torch.randint(-9, 9, (3, 12, 2, 2), dtype=torch.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("DequantizeLinear", ["p", "scale"], ["v"]),
        helper.make_node("ConvTranspose", ["x", "w"], ["c"], strides=[2, 2]),
        helper.make_node("Twirl", ["c"], ["t"], domain="some.where", name="twirl"),
        helper.make_node("SpaceToDepth", ["t"], ["s"], blocksize=2),
        helper.make_node("Conv", ["t", "v"], ["d"]),
        helper.make_node("DepthToSpace", ["d"], ["y"], blocksize=2),
    ]
    tensors = {"q": whole, "p": torch.zeros(12, 12, 1, 1, dtype=torch.int8), "scale": torch.tensor(0.1)}
    report = audit_onnx(saved(tmp_path / "net.onnx", nodes, tensors, functions="some.where"))
    why = "not measured: its weight is made in the graph, by DequantizeLinear"
    assert [layer.verdict for layer in report.layers] == [why, "even", why]
    assert report.unseen == ("some.where.Twirl twirl: what it does is not looked into",)


def test_dynamos_files_with_weights_beside_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 2, 4, stride=2)).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(2, 3, 32, 32),), tmp_path / "net.onnx", dynamic_shapes=(free,), verbose=False
        )
    assert (tmp_path / "net.onnx.data").exists()
    found = audit_onnx(tmp_path / "net.onnx").layers
    expected = upsample.audit(model).layers
    assert [layer.what for layer in found] == [layer.what for layer in expected]
    assert [layer.imbalance for layer in found] == pytest.approx([layer.imbalance for layer in expected], abs=1e-6)


def test_the_flat_field_is_the_modules(network: Callable[..., Any], exported: Callable[..., Path]) -> None:
    model = nn.Sequential(network("deconv")[0], nn.Sigmoid(), nn.Conv2d(4, 2, 3, padding=1)).eval()
    path = exported(model, (1, 3, 16, 16), dynamic_axes={"x": {2: "h", 3: "w"}})
    found, expected = flat_field_onnx(path, (1, 3, 16, 16)), flat_field(model, torch.zeros(1, 3, 16, 16))
    assert (found.period, found.size, found.shown) == (expected.period, expected.size, True)
    torch.testing.assert_close(found.printed, expected.printed, rtol=1e-3, atol=1e-6)


class Photograph(nn.Module):
    """An image of 8 bits, padded to whole periods, halved, enlarged and cropped again."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 2, stride=2), nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x.float() / 127.5 - 1, (0, (width + 1) // 2 * 2 - width, 0, (height + 1) // 2 * 2 - height))
        return self.up(self.down(x))[..., :height, :width]


def test_sizes_that_a_graph_computes_are_followed_and_8_bits_see_colours_of_8_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = Photograph().eval(), tmp_path / "photograph.onnx"
    height, width = (torch.export.Dim(name, min=4, max=400) for name in ("height", "width"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 3, 17, 21, dtype=torch.uint8)
        torch.onnx.export(model, (example,), path, dynamic_shapes=({2: height, 3: width},), verbose=False)
    found = flat_field_onnx(path, (1, 3, 31, 64))
    expected = flat_field(model, torch.zeros(1, 3, 31, 64), (127.5 * (1 + colours_of(3))).round())
    assert (found.period, found.size, found.shown) == (2, expected.size, True)
    torch.testing.assert_close(found.colours, expected.colours)
    torch.testing.assert_close(found.printed, expected.printed, rtol=1e-3, atol=1e-6)


def test_the_command(
    network: Callable[..., Any], exported: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(*network("deconv"))
    main(["audit", str(path), "--run"])
    printed = capsys.readouterr().out
    assert "ConvTranspose2d 3->4 k3 s2" in printed
    assert "pattern of period 2: " in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.onnx"], "there is no file nowhere.onnx"),
        (["{}", "--args", "{{}}1"], "an ONNX file takes none"),
        (["{}", "--input", "3"], "--input is a shape such as 1,3,224,224"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "net.onnx", [helper.make_node("Relu", ["x"], ["y"])], {})
    with pytest.raises(SystemExit):
        main(["audit", *(word.format(path) for word in words)])
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1
