"""Hand a network to another runtime, as ONNX or as a program for PyTorch alone, and check it by running it there."""

import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.utils import parametrize

from models.networks.adversarial import labelled
from models.trained.folding import fold
from models.trained.saved import Trained
from plumbing.atomic import whole
from plumbing.messages import needs

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2"}
OPSET = 18  # the first that the exporter writes, and whose Pad and Resize these networks need
TOLERANCE = 1e-4
logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it counts what it folds
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.(export|onnx|fx)")


@dataclass(frozen=True)
class Written:
    """What was written and how well it agrees: the largest error of all values of three sizes, and their shapes.

    The error is |runtime - torch|, divided by the largest |torch| where that is above 1.
    """

    path: Path
    error: float
    shapes: list[tuple[int, ...]]
    operations: tuple[int, int]  # in the traced graph: as built, and as written


def place(where: str, format: str) -> Path:
    """Where the export of a checkpoint goes by default: beside it; of a zoo entry, into the current folder."""
    path = Path(where.removeprefix("zoo:").rstrip("/"))
    return path.with_name(path.name.removesuffix(".ckpt") + SUFFIXES.get(format, ""))


def examples(net: Trained, as_bytes: bool) -> list[tuple[Tensor, ...]]:
    """Inputs of four sizes: the first to trace the network, the others to check it."""
    random = torch.Generator().manual_seed(0)
    if net.latent is not None:
        latents = [torch.randn(count, net.latent, generator=random) for count in (2, 1, 3, 5)]
        if not net.classes:
            return [(each,) for each in latents]
        labels = [torch.randint(len(net.classes), each.shape[:1], generator=random) for each in latents]
        if as_bytes:
            return [*zip(latents, labels, strict=True)]
        return [(labelled(*each, len(net.classes)),) for each in zip(latents, labels, strict=True)]
    p = net.period
    sizes = ((2, 5 * p + 3, 6 * p + 1), (1, 4 * p, 3 * p), (3, 2 * p + 1, 7 * p - 1), (1, 6 * p - 1, 5 * p + 2))
    shapes = [(count, net.channels, height, width) for count, height, width in sizes]
    if as_bytes and floating(net):
        mean, std = (torch.tensor(net.config[key]).view(-1, 1, 1) for key in ("mean", "std"))
        return [(torch.randn(shape, generator=random) * std + mean,) for shape in shapes]
    if as_bytes:
        return [(torch.randint(256, shape, generator=random, dtype=torch.uint8),) for shape in shapes]
    return [(torch.randn(shape, generator=random),) for shape in shapes]


def floating(net: Trained) -> bool:
    """Whether a network takes bands in float32, with the numbers that files store."""
    return net.bands is not None and net.bands["floating"]


def plain(module: nn.Module) -> nn.Module:
    """Return a copy that stores its weights as they are used: a balanced layer is not balanced anew for each image, and
    whoever reads the file sees that it is."""
    copied = deepcopy(module)
    for each in copied.modules():
        if parametrize.is_parametrized(each):
            values = {name: getattr(each, name).detach() for name in each.parametrizations}  # type: ignore[union-attr]  # a ModuleDict
            # remove_parametrizations would take the weights from the class, which copy and original share.
            each.__class__ = type(each).__bases__[0]
            del each.parametrizations
            for name, value in values.items():
                each.register_parameter(name, nn.Parameter(value))
    return copied


def trace(module: nn.Module, example: tuple[Tensor, ...]) -> ExportedProgram:
    """The module as a graph of ATen operations, with batch, height and width free."""
    free = tuple({axis: Dim.DYNAMIC for axis in range(each.ndim) if axis != 1} for each in example)
    program = torch.export.export(module, example, dynamic_shapes=free)
    # Guards note what was so of the example, such as that it had to be padded, and would refuse images of which it is
    # not; no operation depends on that.
    program._guards_code = []
    return program


def operations(program: ExportedProgram) -> int:
    """How many operations on tensors a graph has."""
    return sum(isinstance(node.target, torch._ops.OpOverload) for node in program.graph.nodes)


def about(net: Trained, preprocess: bool) -> dict[str, str]:
    """What someone who is handed the file must know, as text to lie in it."""
    known = {"task": net.task, "upsampler": net.upsampler}
    if net.latent is None:
        order = f"bands {net.bands['order']}" if net.bands is not None else "RGB" if net.channels == 3 else "grey"
        taken, unit = ("as stored, float32", "as stored") if floating(net) else ("0 to 255", "of [0, 1]")
        known["input"] = (
            f"{order}, {taken}"
            if preprocess
            else f"{order} {unit}, less {net.config['mean']}, over {net.config['std']}"
        )
    if net.task == "regression":
        values = net.config["values"]
        known["output"] = f"values in {values['unit'] or 'the unit of training'}"
        if not preprocess:
            known["output"] += f", less {values['mean']}, over {values['std']}"
    if net.thresholds:
        known["output"] = f"a logit each of {json.dumps(net.classes[-len(net.thresholds) :])}"
        known["thresholds"] = json.dumps(net.thresholds)
    if net.latent is not None:
        known["input"] = f"{net.latent} numbers of standard normal noise an image"
    if net.latent is not None and net.classes:
        known["classes"] = json.dumps(net.classes)
        known["input"] += "; the number of its class" if preprocess else ", then 1 for its class, 0 for the others"
    elif net.classes:
        known |= {"classes": json.dumps(net.classes), "palette": json.dumps(net.palette)}
    return known


def write_onnx(program: ExportedProgram, path: Path, about: dict[str, str]) -> Callable[..., Tensor]:
    """Write an ONNX file; returns what ONNX Runtime makes of it. Raises ValueError where the extra is missing."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(needs("format=onnx", "export", *missing))
    import onnxruntime  # here, not above: an optional extra

    graph = torch.onnx.export(program, dynamo=True, opset_version=OPSET, verbose=False)
    assert graph is not None
    graph.model.metadata_props.update(about)
    graph.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0])

    return run


def write_torch(program: ExportedProgram, path: Path, about: dict[str, str]) -> Callable[..., Tensor]:
    """Write a program that `torch.export.load(path).module()` runs; returns it, loaded again."""
    torch.export.save(program, path, extra_files={"about.json": json.dumps(about)})
    return torch.export.load(path).module()


FORMATS = {"onnx": write_onnx, "torch_export": write_torch}


@contextmanager
def refusals(net: Trained, format: str) -> Iterator[None]:
    """Say in one sentence which network a format cannot hold; the exporters raise whatever they stumble over."""
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as error:
        name = net.config["model"]["name"]
        cause = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise ValueError(f"{name} with upsample={net.upsampler} cannot be written as {format}: {cause}") from error


def export(net: Trained, path: Path, format: str, preprocess: bool = True, folded: bool = False) -> Written:
    """Write a network for another runtime, whole or not at all, and run what was written against it.

    path        of the file; its folder is made
    preprocess  True: what `net` computes, of uint8 images or of bands as stored; False: what `net.network` does, of
                normalised float32 images
    folded      simplify the graph first: `models.trained.folding`

    Batch size, and height and width of images, stay free. Raises ValueError, in one sentence, where the format does
    not exist or cannot hold the network, and where any value of three inputs of different size comes out with an error
    above TOLERANCE.
    """
    if format not in FORMATS:
        raise ValueError(f"format is '{format}', which does not exist; choose from {', '.join(FORMATS)}")
    module = net if preprocess else net.network
    example, *checks = examples(net, preprocess)
    with whole(path, SUFFIXES[format]) as partial:
        with refusals(net, format):
            program = trace(plain(module), example)
            before = operations(program)
            if folded:
                program = trace(fold(program.module()), example)
            run = FORMATS[format](program, partial, about(net, preprocess))
        error = max(disagreement(run, module, *inputs) for inputs in checks)
        if not error <= TOLERANCE:
            raise ValueError(
                f"{path} was not written: what {format} computes differs from PyTorch by {error:.1e}, more than "
                f"{TOLERANCE:.0e}; format={next(f for f in FORMATS if f != format)} may hold this network"
            )
    return Written(path, error, [tuple(inputs[0].shape) for inputs in checks], (before, operations(program)))


@torch.no_grad()
def disagreement(run: Callable[..., Tensor], module: nn.Module, *inputs: Tensor) -> float:
    """The largest error of one input, as `Written` says; infinite where the shapes differ."""
    expected, found = module(*inputs), run(*inputs)
    if expected.shape != found.shape:
        return float("inf")
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1)).item()
