"""An ONNX file as a function of tensors: ONNX Runtime computes it, on the CPU."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from upsample.onnx_files.files import first_line, needs

KINDS = {
    "tensor(float)": torch.float32,
    "tensor(double)": torch.float64,
    "tensor(float16)": torch.float16,
    "tensor(uint8)": torch.uint8,
}


class Runtime(nn.Module):
    """What ONNX Runtime makes of x, the network's only input, as float32; x is converted to the type it takes.

    model   an onnx.ModelProto
    inner   names of values inside the graph that are wanted as well
    Raises ValueError, in one sentence, for a network of several inputs, and for whatever ONNX Runtime cannot run.
    """

    def __init__(self, model: Any, inner: Sequence[str] = ()) -> None:
        super().__init__()
        needs("onnx", "onnxruntime")
        import onnx
        import onnxruntime

        more = onnx.ModelProto()
        more.CopyFrom(model)
        given = {value.name for value in model.graph.output}
        more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner if name not in given)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it warns of is no matter of the pattern
        try:
            self.session = onnxruntime.InferenceSession(
                more.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of its own, without a base class
            raise ValueError(f"ONNX Runtime cannot run it: {first_line(error)}") from None
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in KINDS:
            taken = ", ".join(f"{value.name} ({value.type})" for value in inputs)
            raise ValueError(f"only networks of one input of numbers are run, and this takes {taken or 'none'}")
        self.input, self.kind = inputs[0].name, KINDS[inputs[0].type]
        self.shape: list[Any] = inputs[0].shape
        self.names = [value.name for value in self.session.get_outputs()]

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """Every output, and what is wanted of the inside, by name. Raises ValueError where it cannot be computed."""
        fed = x.round().clamp(0, 255).to(self.kind) if self.kind == torch.uint8 else x.to(self.kind)
        try:
            found = self.session.run(None, {self.input: fed.contiguous().numpy()})
        except Exception as error:
            raise ValueError(
                f"ONNX Runtime cannot run it on {'x'.join(map(str, x.shape))}: {first_line(error)}"
            ) from None
        return {name: torch.from_numpy(y) for name, y in zip(self.names, found, strict=True) if hasattr(y, "dtype")}

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *size) -> the largest output of floating numbers, as float32. Images are fed one by one."""
        return torch.cat([self.largest(self.run(image[None])) for image in x])

    def largest(self, outputs: dict[str, Tensor]) -> Tensor:
        """The largest of the outputs."""
        floating = [y for y in outputs.values() if y.is_floating_point()]
        if not floating:
            raise ValueError("none of the network's outputs is of floating numbers")
        return max(floating, key=lambda y: y.numel()).float()
