"""How much arithmetic a training step is: its convolutions and matrix products, forward and backward."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

Shape = list[int]


def of_gradients(
    gradient: Shape,
    x: Shape,
    weight: Shape,
    bias: Any,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    transposed: bool,
    output_padding: Shape,
    groups: int,
    wanted: list[bool],
    **_: Any,
) -> int:
    """Operations of a convolution's gradients: of the input and of the weight each as many as of the convolution.
    torch's own count of the latter is of all channels with all, whatever the groups (in torch 2.15)."""
    return (wanted[0] + wanted[1]) * conv_flop_count(x, weight, gradient, transposed)


class Arithmetic(FlopCounterMode):
    """Counts floating-point operations, two for each multiply-add, while it is entered: `get_total_flops()`.

    Counted is what reaches PyTorch's kernels, from autograd functions of one's own as well: the form of a layer that is
    in use. Taps that lie beyond a border count as if they met a pixel. What is neither a convolution nor a matrix
    product (norms, losses, optimisers, projections of kernels) counts nothing.
    """

    def __init__(self) -> None:
        super().__init__(display=False, custom_mapping={torch.ops.aten.convolution_backward: of_gradients})


class StepCounted(Callback):
    """Counts the arithmetic of the first step of a training: `operations`."""

    operations = 0

    def on_train_batch_start(self, trainer: pl.Trainer, task: Any, batch: Any, index: int) -> None:
        if not self.operations:
            self.counter = Arithmetic()
            self.counter.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        if not self.operations:
            self.counter.__exit__(None, None, None)
            self.operations = self.counter.get_total_flops()
