"""Files are read from their own folder and from nowhere else, and written whole or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch

from upsample.onnx_files import files
from upsample.onnx_files.files import read, store, tensors, values_of, written

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402  # where it is not installed the file ends above


def model(count: int = 8) -> Any:
    weight = numpy_helper.from_array(torch.arange(float(count)).numpy(), "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [count]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "graph", [x], [y], [weight])
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])


def outside(folder: Path, location: str) -> Path:
    """A file whose weight is said to lie at a location."""
    made = model()
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="32")
    folder.mkdir(exist_ok=True)
    (folder / "net.onnx").write_bytes(made.SerializeToString())
    return folder / "net.onnx"


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = outside(tmp_path / "net", "weights.bin")
    (path.parent / "weights.bin").write_bytes(torch.arange(8.0).numpy().tobytes())
    (tensor,) = tensors(read(path))
    assert torch.equal(values_of(tensor), torch.arange(8.0))


@pytest.mark.parametrize("location", ["../secret.bin", "{top}/secret.bin", "below/../../secret.bin", "link.bin", ""])
def test_weights_elsewhere_are_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(32))
    path = outside(tmp_path / "net", location.format(top=tmp_path))
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ValueError, match="only files of its own folder are read"):
        read(path)


def test_what_is_missing_or_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = outside(tmp_path / "net", "weights.bin")
    with pytest.raises(ValueError, match=r"weights\.bin', which cannot be read"):
        read(path)
    (path.parent / "weights.bin").write_bytes(bytes(16))
    with pytest.raises(ValueError, match="cannot be read"):
        read(path)
    path.write_bytes(b"no model at all")
    with pytest.raises(ValueError, match="is no ONNX file, or it is cut short"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is no ONNX file, or its network has no operations"):
        read(path)


def test_without_onnx_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"need onnx, which is not installed: .* pip install onnx"):
        read(tmp_path / "net.onnx")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.bfloat16])
def test_values_come_back_as_they_were_stored(dtype: torch.dtype) -> None:
    values = torch.randn(3, 4, 2).to(dtype)
    kind = next(number for number, known in files.READABLE.items() if known == dtype)
    tensor = helper.make_tensor("w", kind, [3, 4, 2], [0.0] * 24)
    store(values, tensor)
    assert torch.equal(values_of(tensor), values)
    assert values_of(tensor).dtype == dtype


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out" / "net.onnx"
    with pytest.raises(RuntimeError), written(model(), path):
        raise RuntimeError
    assert [*path.parent.iterdir()] == []
    with written(model(), path) as part:
        assert not path.exists()
        assert read(part) == model()
    assert [*path.parent.iterdir()] == [path]
    monkeypatch.setattr(files, "LARGEST", 40)
    with pytest.raises(ValueError, match="larger than 2 GB"), written(model(), path):
        pass
