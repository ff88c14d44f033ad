"""Take the checkerboard out of a trained model: its layers' phases are made to answer flat areas alike.

Without images the nearest such weights are taken. With images (any that the model was made for, without labels) they
are then fitted, among all weights whose phases answer alike, so that the model's output is in the least squares what
it was before: what a phase said more than another is learnt by what follows from the taps that are left to differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from upsample.columns import columns
from upsample.models.evaluating import evaluating
from upsample.models.phased import Phased, followed_on, phased
from upsample.models.tracing import trace

STEPS = 40  # of L-BFGS, each of all images about once
EVEN = 1e-6  # of the imbalance: rounding, nothing to repair


@dataclass(frozen=True)
class RepairedLayer:
    """One layer with phases."""

    names: tuple[str, ...]
    what: str
    before: float | None  # its largest imbalance: of all channels, of the worst one, or of the biases; None: kept
    after: float | None
    kept: str = ""  # why it was not changed


@dataclass(frozen=True)
class Repair:
    """What `repair` did. str() is a table."""

    layers: tuple[RepairedLayer, ...]
    projected: float | None = None  # |change of the output| / |its deviation| on the images, of the nearest weights
    fitted: float | None = None  # the same of the weights that were fitted; None without images

    @property
    def changed(self) -> bool:
        """Whether any layer was."""
        return any(layer.after is not None for layer in self.layers)

    def __str__(self) -> str:
        rows = []
        for layer in self.layers:
            what = f"kept: {layer.kept}" if layer.kept else f"imbalance {layer.before:.2f} -> {layer.after:.2f}"
            rows.append((", ".join(layer.names), what + (f"  ({layer.what})" if layer.what else "")))
        lines = columns(rows)
        if not lines:
            lines.append("no layer answers flat areas with phases that differ, so there is nothing to repair")
        if self.projected is not None and self.fitted is not None:
            lines.append(
                f"the output on the images changed by {self.projected:.2%} of its deviation, {self.fitted:.2%} after "
                "the weights were fitted"
            )
        return "\n".join(lines)


def repair(model: nn.Module, images: Tensor | Sequence[Tensor] | None = None) -> Repair:
    """Make the phases of every transposed convolution and pixel shuffle of `model` answer flat areas alike, in place.

    Of one, two and three axes. Pixel shuffles and what else deals channels out to pixels is found by following the
    forward on the first image, or on what the model's first layer would take.
    images  a batch of what forward takes, or a sequence of batches, without labels; 16 to 64 crops of 128 pixels do.
            With them the weights are fitted afterwards, in 40 steps of about one forward and backward pass of all, so
            that the output stays what it was (see the module); only the repaired layers change. None: the nearest
            weights
    A layer whose phases have one tap each (kernel = stride, a 1x1 convolution or a linear layer before a shuffle) would
    make all pixels of a block alike; a transposed one is repaired all the same, which leaves it nearest-neighbour
    enlarging; of what is dealt out only the biases are, by what the images show: without them it is kept.
    What is kept is said in the report with the reason. The model's modes and what is frozen stay as they were.
    Raises ValueError for images of which the output has no gradient with respect to the weights.
    """
    batches = None if images is None else [images] if isinstance(images, Tensor) else [*images]
    with evaluating(model):
        layers, kept = phased(model, trace(model, followed_on(images), operators=True))
        before = {layer: layer.imbalance().largest for layer in layers}
        uneven = [layer for layer in layers if before[layer] > EVEN]
        whole = [layer for layer in uneven if layer.dealt is None or layer.taps() > 1]
        biased = [layer for layer in uneven if layer not in whole]
        targets = [] if batches is None else _answers(model, batches)
        if batches is not None:
            level_biases(model, [layer for layer in biased if layer.module.bias is not None], batches)
        refused = project(whole)
        done = [layer for layer in whole if layer not in refused]
        projected = fitted = None
        if batches is not None and done:
            projected = _distance(_answers(model, batches), targets)
            fitted = _fit(model, done, batches, targets, projected)
    report = [of_weights(layer, before[layer]) for layer in done]
    report += [of_biases(layer, before[layer], levelled=batches is not None) for layer in biased]
    report += [RepairedLayer(layer.names, layer.what, None, None, why) for layer, why in refused.items()]
    report += [RepairedLayer((name,), "", None, None, why) for name, why in kept]
    return Repair(tuple(report), projected, fitted)


def of_weights(layer: Phased, before: float) -> RepairedLayer:
    """What was done to a layer whose weights were projected."""
    blunt = ", which now enlarges as nearest-neighbour does" if layer.taps() == 1 else ""
    return RepairedLayer(layer.names, layer.what + blunt, before, layer.imbalance().largest)


def of_biases(layer: Phased, before: float, levelled: bool) -> RepairedLayer:
    """What was done to a layer of which only the biases can be changed; levelled: whether images showed how."""
    if not levelled or layer.module.bias is None:
        why = "each of its phases has one tap, and without images its bias says nothing"
        return RepairedLayer(layer.names, layer.what, None, None, why)
    return RepairedLayer(layer.names, f"{layer.what}, bias only", before, layer.imbalance().largest)


def project(layers: Sequence[Phased]) -> dict[Phased, str]:
    """Give each layer the nearest weights whose phases answer alike, in place; returns why some were left."""
    refused = {}
    for layer in layers:
        try:
            for name, projection in layer.balanced().items():
                value = getattr(layer.module, name)
                _assign(layer.module, name, projection.to(value.device)(value.detach()))
        except ValueError as error:
            refused[layer] = str(error)
    return refused


@torch.no_grad()
def _assign(module: nn.Module, name: str, value: Tensor) -> None:
    """Set a weight, parametrised or not. Raises ValueError where its parametrisation does not take the value."""
    if not parametrize.is_parametrized(module, name):
        getattr(module, name).copy_(value)
        return
    stored: Any = module.parametrizations[name]  # type: ignore[index]
    kept = [parameter.clone() for parameter in stored.parameters()]
    try:
        setattr(module, name, value)
        near = torch.allclose(getattr(module, name), value, rtol=1e-4, atol=1e-6 * value.abs().max().item())
    except (NotImplementedError, RuntimeError, ValueError):
        near = False
    if not near:
        for parameter, old in zip(stored.parameters(), kept, strict=True):
            parameter.copy_(old)
        raise ValueError(f"its {name} is parametrised in a way that does not take given values")


def _outputs(model: nn.Module, batch: Tensor) -> list[Tensor]:
    leaves = tree_leaves(model(batch))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()]


@torch.no_grad()
def _answers(model: nn.Module, batches: Sequence[Tensor]) -> list[list[Tensor]]:
    return [_outputs(model, batch) for batch in batches]


def _distance(answers: list[list[Tensor]], targets: list[list[Tensor]]) -> float:
    """Root mean square of the change over the deviation of the targets, over all outputs of all batches."""
    pairs = [pair for answer, target in zip(answers, targets, strict=True) for pair in zip(answer, target, strict=True)]
    return (sum(_change(*pair).item() for pair in pairs) / max(1, len(pairs))) ** 0.5


def _change(answer: Tensor, target: Tensor) -> Tensor:
    return (answer.float() - target.float()).square().mean() / target.float().var().clamp_min(1e-12)


def _fit(
    model: nn.Module, layers: Sequence[Phased], batches: Sequence[Tensor], targets: list[list[Tensor]], least: float
) -> float:
    """Fit the layers' weights, within those whose phases answer alike, by L-BFGS; returns the change that is left.

    Layers that are parametrised already are left as they are. Where nothing is gained all is.
    """
    with ExitStack() as stack:
        free: list[nn.Parameter] = []
        for layer in layers:
            free += stack.enter_context(_held(layer))
        if not free:
            return least
        kept = [parameter.detach().clone() for parameter in free]
        optimizer = torch.optim.LBFGS(free, max_iter=STEPS, history_size=STEPS // 2, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            total = torch.zeros(())
            for batch, target in zip(batches, targets, strict=True):
                pairs = zip(_outputs(model, batch), target, strict=True)
                loss = torch.stack([_change(*pair) for pair in pairs]).mean() / len(batches)
                if not loss.requires_grad:
                    raise ValueError("repair: the model's output has no gradient with respect to the layers' weights")
                loss.backward()
                total = total + loss.detach().cpu()
            return total

        optimizer.step(closure)
        found = _distance(_answers(model, batches), targets)
        if not found < least:
            for parameter, value in zip(free, kept, strict=True):
                parameter.data.copy_(value)
        return min(found, least)


@contextmanager
def _held(layer: Phased) -> Iterator[list[nn.Parameter]]:
    """While inside, the layer's weights are projected whenever they are read; what there is to fit."""
    module, free = layer.module, []
    projections = layer.balanced()
    if any(parametrize.is_parametrized(module, name) for name in ("weight", "bias")):
        yield []
        return
    laid_out: dict[str, Tensor] = {}
    for name, projection in projections.items():
        value = getattr(module, name)
        laid_out[name] = value.data
        value.data = value.data.contiguous()  # L-BFGS flattens gradients, which are laid out as their parameters are
        parametrize.register_parametrization(module, name, projection.to(value.device))
        free.append(module.parametrizations[name].original)
    if module.bias is not None and "bias" not in projections:
        free.append(module.bias)
    for parameter in free:
        parameter.requires_grad_(True)
    try:
        yield free
    finally:
        for parameter in free:
            parameter.requires_grad_(False)
        for name, values in laid_out.items():
            parametrize.remove_parametrizations(module, name)
            parameter = getattr(module, name)
            parameter.data = values.copy_(parameter.data)


@torch.no_grad()
def level_biases(model: nn.Module, layers: Sequence[Phased], batches: Sequence[Tensor]) -> None:
    """Change the layers' biases so that all phases answer the images' mean alike, by their mean."""
    sums: dict[Phased, list[Tensor]] = {layer: [] for layer in layers}

    def hear(layer: Phased) -> Any:
        axis = -1 if isinstance(layer.module, nn.Linear) else 1
        return lambda _, given: sums[layer].append(given[0].movedim(axis, -1).flatten(0, -2).double().mean(0))

    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.module.register_forward_pre_hook(hear(layer)).remove)
        _answers(model, batches)
    for layer, means in sums.items():
        if means:
            level_bias(layer, torch.stack(means).mean(0).cpu())


@torch.no_grad()
def level_bias(layer: Phased, mean: Tensor) -> None:
    """Change one layer's bias so that all phases answer alike where its input channels are at `mean` (in_channels,)."""
    parts = layer.phases()
    given = mean.view(parts.groups, -1, 1)  # each group of output channels sees its own of the input's
    sums_of = [part.kernel.double().cpu().flatten(2).sum(2) for part in parts.phases.values()]
    answers = torch.stack([(s.unflatten(0, (parts.groups, -1)) @ given).flatten() for s in sums_of], 1)
    assert layer.dealt is not None
    bias, dealt = layer.module.bias, layer.dealt.flatten(1)
    answers += bias[dealt].double().cpu()
    bias[dealt] += (answers.mean(1, keepdim=True) - answers).to(bias)  # (out, phases)
