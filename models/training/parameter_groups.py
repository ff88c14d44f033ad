"""Which parameters learn how fast, and which decay."""

from typing import Any

from torch import nn

from models.networks.interfaces import layers


def parameter_groups(task: nn.Module, lr: float, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Optimiser groups of a task's trainable parameters.

    Weights decay, norms and biases do not. With layer_decay below 1, the encoder's layers learn slower the
    nearer they are to the image: lr * layer_decay**n for the n-th from the deepest, which has n = 1
    (discriminative fine-tuning, Howard & Ruder (2018), section 3.2).
    """
    rate: dict[int, float] = {}
    learning = getattr(task, "learning", task.network)
    encoder = getattr(learning, "encoder", None)
    if layer_decay != 1 and isinstance(encoder, nn.Module):
        for n, layer in enumerate(reversed(layers(encoder)), start=1):
            rate |= {id(p): lr * layer_decay**n for p in layer.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in task.parameters():
        if p.requires_grad:
            groups.setdefault((rate.get(id(p), lr), weight_decay if p.ndim > 1 else 0.0), []).append(p)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]
