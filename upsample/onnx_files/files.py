"""Read an ONNX file without running anything of it, and write one whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LARGEST = 2**31 - 1  # bytes of one protobuf message
READABLE = {1: torch.float32, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16}  # of TensorProto.data_type


def needs(*packages: str) -> None:
    """Raise ValueError, in a sentence that says what to install, where packages of the extra `onnx` are missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"ONNX files need {', '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed: "
            f"uv run --extra export ..., or pip install {' '.join(missing)}"
        )


def read(path: Path) -> Any:
    """Return the onnx.ModelProto of a file, all its weights in memory.

    Weights in files of their own are read from the folder of the file and from nowhere else. Raises ValueError, in
    one sentence, for what is no ONNX file, for weights that lie elsewhere or are cut short, and where onnx is missing.
    """
    needs("onnx")
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError:
        raise ValueError(f"{path} is no ONNX file, or it is cut short") from None
    if not model.graph.node:
        raise ValueError(f"{path} is no ONNX file, or its network has no operations")
    for tensor in tensors(model):
        if not uses_external_data(tensor):
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        keeps = f"{path} keeps weights in '{printable(location)}', which"
        if not location or (path.parent / location).resolve().parent != path.parent.resolve():
            raise ValueError(f"{keeps} is not beside it: only files of its own folder are read")
        try:
            load_external_data_for_tensor(tensor, str(path.parent))
        except Exception as error:  # whatever onnx raises for a file that is missing, linked or too short
            raise ValueError(f"{keeps} cannot be read: {first_line(error)}") from None
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return model


def tensors(model: Any) -> Iterator[Any]:
    """Every TensorProto of a model, in an order of its own: initializers, constants, and those of inner graphs."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _of_graph(graph)


def values_of(tensor: Any) -> Tensor:
    """What a TensorProto of a type in READABLE holds."""
    from onnx.numpy_helper import to_array

    if tensor.data_type == 16:  # bfloat16, which NumPy has not: the upper halves of float32
        return torch.from_numpy(to_array(tensor).astype("float32")).bfloat16()
    return torch.from_numpy(to_array(tensor).copy())


def store(values: Tensor, tensor: Any) -> None:
    """Put values (of the tensor's own shape and type) into a TensorProto, in place."""
    values = values.detach().contiguous()
    plain = values.view(torch.int16) if values.dtype == torch.bfloat16 else values
    raw = plain.numpy().astype(plain.numpy().dtype.newbyteorder("<")).tobytes()
    for name in ("float_data", "double_data", "int32_data", "raw_data"):
        tensor.ClearField(name)
    tensor.raw_data = raw


@contextmanager
def written(model: Any, path: Path) -> Iterator[Path]:
    """Write a model beside its place and give that path; where the block ends without raising it takes its name.

    Raises ValueError for a model of more than 2 GB, which one ONNX file cannot hold.
    """
    if sum(tensor.ByteSize() for tensor in tensors(model)) > LARGEST:
        raise ValueError(f"{path} would be larger than 2 GB, which is more than one ONNX file holds")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its name."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0])


def printable(text: str) -> str:
    """A name out of a foreign file as a terminal may print it: 200 characters, and escapes for what would move it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:200])
