"""Replace the transposed convolutions of any model by another upsampling operator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from upsample.models.least_squares import match, relative_error


@dataclass(frozen=True)
class Swap:
    """What became of one transposed convolution of stride 2 or more."""

    names: tuple[str, ...]  # its dotted names in the model; several where modules share it
    error: float | None  # |new - old| / |old| of the answers to white noise; None where it was kept
    kept: str = ""  # why it was not replaced


class InPlaceOf(nn.Module):
    """An upsampling operator with the output size, and the alignment, of a transposed convolution that it replaces.

    The operator's output is `scale` times its input, centred on it. The old layer's differs from that
    by `extra` output pixels in size and `shift` in position: the input is padded with zeros, as a
    transposed convolution sees it, where the old output reached further out, and the output is cropped.
    """

    def __init__(self, upsample: nn.Module, old: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.upsample, self.scale = upsample, old.stride[0]
        reach = [d * (k - 1) for d, k in zip(old.dilation, old.kernel_size, strict=True)]
        padding = [int(p) for p in old.padding]
        self.extra = [
            r + 1 + o - 2 * p - self.scale for r, o, p in zip(reach, old.output_padding, padding, strict=True)
        ]
        # Centres lie at scale*i + reach/2 - padding and at scale*i + (scale-1)/2; half a pixel is left to the weights.
        self.shift = [int((r - 2 * p - self.scale + 1) / 2) for r, p in zip(reach, padding, strict=True)]

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, *the old layer's size), or of `output_size` as there."""
        scale, inner = self.scale, x.shape[-2:]
        extra = self.extra
        if output_size is not None:
            extra = [size - scale * n for size, n in zip(output_size[-2:], inner, strict=True)]
        # Output pixels wanted before and after the operator's own, per axis.
        before, after = self.shift, [e - b for e, b in zip(extra, self.shift, strict=True)]
        margin = max(0, *(-(-side // scale) for side in (*before, *after)))
        y = self.upsample(F.pad(x, [margin] * 4) if margin else x)
        crops = [[-scale * margin + b, -scale * margin + a] for b, a in zip(before, after, strict=True)]
        return F.pad(y, crops[1] + crops[0]) if any(map(any, crops)) else y


def swap(model: nn.Module, upsample: Callable[[int, int, int], nn.Module], initialise: str = "match") -> list[Swap]:
    """Replace every nn.ConvTranspose2d of stride 2 or more in `model`, in place, keeping all shapes.

    upsample(in_channels, out_channels, scale) builds the new layer, such as
    functools.partial(build, "resize_conv"). initialise="match" sets its weights so that it answers as nearly
    as it can like the old one (see upsample.models.least_squares), so that a trained network keeps most of its score;
    "fresh" leaves them as built. A layer that several modules share is replaced by one they share.
    Layers with different strides along the two axes are kept, and say so. The old layer's device, dtype,
    training mode and requires_grad pass on. Parameter names change: load old checkpoints before.
    Returns what became of each layer. Raises ValueError for another `initialise`, for a model that is
    itself the layer, and for what `upsample` refuses; then nothing has been replaced.
    """
    if initialise not in ("match", "fresh"):
        raise ValueError(f"swap: initialise must be match or fresh, not '{initialise}'")
    if isinstance(model, nn.ConvTranspose2d):
        raise ValueError("swap replaces layers inside a model; this model is the layer itself: put it in nn.Sequential")
    named: dict[nn.ConvTranspose2d, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, nn.ConvTranspose2d) and max(module.stride) > 1:
            named.setdefault(module, []).append(name)
    done, built = [], []
    for old, names in named.items():
        if old.stride[0] != old.stride[1]:
            done.append(Swap(tuple(names), None, f"its strides differ: {old.stride[0]} down, {old.stride[1]} across"))
            continue
        new = InPlaceOf(upsample(old.in_channels, old.out_channels, old.stride[0]), old)
        done.append(Swap(tuple(names), _initialise(new, old, initialise)))
        built.append((names, new))
    for names, new in built:
        for name in names:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
    return done


def _initialise(new: InPlaceOf, old: nn.ConvTranspose2d, initialise: str) -> float:
    """Make `new` ready to stand where `old` stands; returns their relative error."""
    exact = nn.ConvTranspose2d(
        old.in_channels,
        old.out_channels,
        (old.kernel_size[0], old.kernel_size[1]),
        stride=old.stride[0],
        padding=(int(old.padding[0]), int(old.padding[1])),
        output_padding=(old.output_padding[0], old.output_padding[1]),
        dilation=(old.dilation[0], old.dilation[1]),
        groups=old.groups,
        bias=old.bias is not None,
        device="meta",
    )
    exact.weight = nn.Parameter(old.weight.detach().cpu().double())
    if old.bias is not None:
        exact.bias = nn.Parameter(old.bias.detach().cpu().double())
    new.cpu().double().eval()
    if initialise == "match":
        match(new, exact)
    error = relative_error(new, exact)
    new.to(old.weight).train(old.training)
    new.requires_grad_(old.weight.requires_grad)
    return error
