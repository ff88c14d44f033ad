"""A model looked at without being changed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While inside, the model is in evaluation mode and no parameter asks for a gradient; then all is as it was.

    In training mode even reading a spectrally normalised weight changes it.
    """
    modes = [(module, module.training) for module in model.modules()]
    asking = [(parameter, parameter.requires_grad) for parameter in model.parameters() if not is_lazy(parameter)]
    try:
        for module, _ in modes:
            module.training = False
        for parameter, _ in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, asks in asking:
            parameter.requires_grad_(asks)


@contextmanager
def weights_computed(model: nn.Module) -> Iterator[None]:
    """While inside, weights behind a parametrisation, such as balanced ones, are computed already: what is counted then
    is what the model does to its input."""
    with parametrize.cached():
        for module in model.modules():
            if parametrize.is_parametrized(module):
                for name in module.parametrizations:  # type: ignore[union-attr]  # a ModuleDict
                    getattr(module, name)
        yield
