"""Networks in other runtimes compute what they do in PyTorch."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models import networks
from models.networks.adversarial import labelled
from models.trained import export as exporting
from models.trained.export import TOLERANCE, export, place
from upsample.onnx_files.audit import audit_onnx

LITTLE = {"blocks": 1, "width": 8}
PLAIN = {"family": "plain", "width": 4, "depth": 3}
# Each network with the upsampler that its conf/model/ leaves it, small.
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "deeplab": ({"name": "deeplab", "width": 8, "channels": 8, "rates": [1, 2]}, PLAIN),
    "dcgan": ({"name": "dcgan", "width": 4}, None),
    "sngan": ({"name": "sngan", "width": 4}, None),
    "espcn": ({"name": "espcn"}, None),
    "sesr": ({"name": "sesr", "blocks": 1}, None),
    "srresnet": ({"name": "srresnet", **LITTLE}, None),
    "edsr_baseline": ({"name": "edsr_baseline", "scale": 3, **LITTLE}, None),
}


def outputs(path: Path, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path)
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def agrees(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and bool((found - expected).abs().max() <= TOLERANCE)


def test_every_network_is_here() -> None:  # smp's are in tests/stress/models/networks and tests/models/networks
    assert {"unet", "smp", *(model["name"] for model, _ in NETWORKS.values())} == set(networks.network)


# One of fixed taps, one that takes indices, one that takes the skip; tests/stress has all of them.
@pytest.mark.parametrize("name", ["dilated_deconv", "unpool", "sapa"])
def test_a_unet_in_onnx_takes_any_size(name: str, trained: Any, tmp_path: Path) -> None:
    options = {"window_size": 3} if name == "sapa" else {"up_kernel": 3} if name == "carafe" else {}  # for time
    net = trained({"name": name, **options})
    written = export(net, tmp_path / "net.onnx", "onnx", preprocess=False)
    assert written.error <= TOLERANCE
    with torch.no_grad():
        for size in ((1, 1), (8, 8), (13, 22)):
            x = torch.randn(2, 3, *size)
            assert agrees(outputs(written.path, x), net.network(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_in_onnx_with_its_preprocessing_inside(name: str, trained: Any, tmp_path: Path) -> None:
    model, encoder = NETWORKS[name]
    net = trained({"name": "dilated_deconv"}, model, encoder)
    written = export(net, tmp_path / "net.onnx", "onnx")
    random = torch.Generator().manual_seed(2)
    x = torch.randn(4, net.latent or 0, generator=random)
    if net.latent is None:
        x = torch.randint(256, (2, 3, 33, 50), generator=random, dtype=torch.uint8)
    with torch.no_grad():
        assert agrees(outputs(written.path, x), net(x))
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", ["dcgan", "sngan"])
def test_a_generator_of_classes_takes_the_number_of_the_class(
    name: str, folded: bool, trained: Any, tmp_path: Path
) -> None:
    net = trained({"name": "dilated_deconv"}, {"name": name, "width": 4, "classes": "auto"})
    nn.init.normal_(next(p for key, p in net.named_parameters() if key.endswith(".shift")))  # so that classes differ
    session = onnxruntime.InferenceSession(export(net, tmp_path / "net.onnx", "onnx", folded=folded).path)
    assert [(each.name, each.type) for each in session.get_inputs()] == [
        ("x", "tensor(float)"), ("label", "tensor(int64)")
    ]  # fmt: skip
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["ocean", "land", "lake"]
    assert about["input"] == f"{net.latent} numbers of standard normal noise an image; the number of its class"
    z, label = torch.randn(4, net.latent or 0), torch.tensor([2, 0, 1, 1])
    found = torch.from_numpy(session.run(None, {"x": z.numpy(), "label": label.numpy()})[0])
    with torch.no_grad():
        assert agrees(found, net(z, label))
        assert not agrees(found, net(z, label.flip(0)))
        alone = export(net, tmp_path / "alone.onnx", "onnx", preprocess=False)
        assert agrees(outputs(alone.path, labelled(z, label, 3)), net.network(labelled(z, label, 3)))


@pytest.mark.parametrize("folded", [False, True])
def test_a_program_for_torch_runs_without_this_project_at_any_size(folded: bool, trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "resize_conv"})
    written = export(net, tmp_path / "new" / "net.pt2", "torch_export", folded=folded)
    program = torch.export.load(written.path).module()
    with torch.no_grad():
        for shape in ((1, 3, 1, 1), (2, 3, 8, 8), (1, 3, 13, 22)):
            x = torch.randint(256, shape, dtype=torch.uint8)
            assert agrees(program(x), net(x))
    before, after = written.operations
    assert (after < before) == folded


def test_the_file_says_what_goes_in_and_which_classes_come_out(trained: Any, tmp_path: Path) -> None:
    written = export(trained({"name": "deconv"}), tmp_path / "net.onnx", "onnx")
    model = onnx.load(written.path)
    assert next(opset.version for opset in model.opset_import if not opset.domain) >= 18
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == ["ocean", "land", "lake"]
    assert about["input"] == "RGB, 0 to 255"
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_a_balanced_layer_is_written_as_it_is_used_and_judged_so(trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "deconv"})
    export(net, tmp_path / "net.onnx", "onnx")
    assert "not measured" not in str(audit_onnx(tmp_path / "net.onnx"))
    assert any(parametrize.is_parametrized(module) for module in net.modules())  # the network itself is left as it is


def test_what_disagrees_is_refused_and_leaves_no_file(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: Any) -> Any:
        run = exporting.write_torch(*arguments)
        return lambda x: run(x) + 2 * TOLERANCE

    monkeypatch.setitem(exporting.FORMATS, "torch_export", wrong)
    with pytest.raises(ValueError, match=r"differs from PyTorch by [12].[0-9]e-04, more than 1e-04; format=onnx"):
        export(trained({"name": "nearest"}), tmp_path / "net.pt2", "torch_export")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_traced_is_refused_in_one_sentence(trained: Any, tmp_path: Path) -> None:
    class Undecided(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    net = trained({"name": "nearest"})
    net.network.head = Undecided()
    with pytest.raises(ValueError, match="unet with upsample=nearest cannot be written as onnx: ") as refused:
        export(net, tmp_path / "net.onnx", "onnx")
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="format is 'tflite', which does not exist; choose from onnx, torch_export"):
        export(net, tmp_path / "net.tflite", "tflite")
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs onnx, onnxscript, onnxruntime, .*--extra export"):
        exporting.write_onnx(None, tmp_path / "net.onnx", {})


def test_the_error_is_relative_where_outputs_are_large() -> None:
    large = nn.Upsample(scale_factor=1)
    x = torch.full((1, 1, 2, 2), 100.0)
    assert exporting.disagreement(lambda y: y + 1, large, x) == pytest.approx(0.01)
    assert exporting.disagreement(lambda y: y + 1, large, x / 1000) == pytest.approx(1.0)
    assert np.isinf(exporting.disagreement(lambda y: y[..., 1:], large, x))


def test_files_lie_beside_their_checkpoint_and_zoo_entries_here() -> None:
    assert place("runs/a-b/best.ckpt", "onnx") == Path("runs/a-b/best.onnx")
    assert place("zoo:unet-earth-deconv", "torch_export") == Path("unet-earth-deconv.pt2")
    assert place("mine/net-v1.2/", "onnx") == Path("mine/net-v1.2.onnx")


def test_nothing_is_warned(trained: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        export(trained({"name": "dilated_deconv"}), tmp_path / "net.pt2", "torch_export", folded=True)
