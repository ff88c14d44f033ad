"""segmentation-models-pytorch's networks: what enlarges in them is the chosen operator, or as published."""

import difflib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from models.networks import network
from models.networks.blocks import pad_to_period, widened
from models.networks.depthwise import with_fast_gradients
from models.networks.interfaces import Network, Normalisation
from plumbing.messages import needs, printable
from upsample.models.swapping.interpolations import Enlarge
from upsample.models.swapping.swap import InPlaceOf, Swap, swap
from upsample.models.tracing import Value, trace

Architecture = Literal[
    "Unet",
    "UnetPlusPlus",
    "FPN",
    "Linknet",
    "MAnet",
    "PAN",
    "PSPNet",
    "UPerNet",
    "Segformer",
    "DPT",
    "DeepLabV3",
    "DeepLabV3Plus",
]
# Of these the deepest map lies further down than the encoder's: PAN's attention pools three times more, DPT halves its
# transformer's map.
DEEPER = {"PAN": 8, "DPT": 2}
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@network("smp")
class SegmentationModels(Network):
    """Iakubovskii, "Segmentation Models Pytorch" (2019): twelve decoders, each on any of its encoders; needs the extra
    `smp`.

    upsample      takes the place of every interpolation by a whole number and of every transposed convolution in
                  decoder and head, each from and to as many channels as there: `upsample.swap` without matching, so as
                  built. None: as published
    architecture  the decoder, as smp names it, with smp's defaults
    encoder       as smp names it: resnet34, mobilenet_v2, mit_b0, ... or tu- and what timm names it. DPT needs a vision
                  transformer of timm's, such as tu-vit_tiny_patch16_224
    pretrained    true: with ImageNet weights from smp's hub; a file (.safetensors, or what torch.save wrote) of a state
                  dict of the encoder, such as torchvision's of a resnet. Images of three channels are then normalised
                  by ImageNet's mean and deviation; for others the first convolution is `widened`

    What enlarges to a size, as pooled features are spread over the map again, stays; `notes` say which.
    forward(x): (N, channels, H, W) of any size to logits (N, classes, H, W). The input is padded at the right and
    bottom to whole periods (replicating the border), the logits are cropped. Raises ValueError for what cannot be.
    """

    own_encoder = True

    def __init__(
        self,
        channels: int,
        classes: int,
        upsample: Callable[..., nn.Module] | None,
        architecture: Architecture = "Unet",
        encoder: str = "resnet18",
        pretrained: bool | str = False,
    ) -> None:
        super().__init__()
        body: Any = _body(channels, classes, architecture, encoder, pretrained is True)
        for name, module in [*body.decoder.named_modules()]:
            if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
                body.decoder.set_submodule(name, MeanOfParts(module.output_size))
        if isinstance(pretrained, str):
            _load(body.encoder, pretrained, channels)
        if pretrained and channels == 3:
            self.normalisation = IMAGENET
        self.body: nn.Module = body
        self.period = body.encoder.output_stride * DEEPER.get(architecture, 1)
        side = 8 * self.period  # so that pooled features are smaller than the map that they are spread over
        example = torch.zeros(2, channels, side, side, device=next(self.parameters()).device)
        followed = trace(self.body, (example,))
        for path, _, why in followed.unseen:
            if not path:
                raise ValueError(f"encoder={encoder} is none that {architecture} can use ({printable(why)})")
        # What smp builds and never calls, as PSPNet the encoder's last stages, would wait for gradients.
        called = {v.parameter for call in followed.calls for v in tree_iter(call.given) if isinstance(v, Value)}
        self.uncalled = [p for name, p in self.body.named_parameters() if name not in called]
        for parameter in self.uncalled:
            parameter.requires_grad_(False)
        self.swapped: list[Swap] = []
        if upsample is not None:
            self.swapped = swap(self.body, upsample, "fresh", example, keep=["encoder"])

    @property
    def encoder(self) -> nn.Module:
        """smp's encoder, whose layers may learn slower."""
        return self.body.get_submodule("encoder")

    def upsamplers(self) -> list[nn.Module]:
        """What took the place of smp's own, in their order; none where they are as published."""
        places = [self.body.get_submodule(each.names[0]) for each in self.swapped if not each.kept]
        return [place.upsample if isinstance(place, Enlarge | InPlaceOf) else place for place in places]

    def notes(self) -> list[str]:
        """What stays as smp has it, and why; what is there in vain."""
        kept = [f"As published: {each.names[0]}: {each.kept}" for each in self.swapped if each.kept]
        idle = sum(parameter.numel() for parameter in self.uncalled)
        return kept + ([f"{idle:,} parameters of smp's encoder are not used by this decoder"] if idle else [])

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        height, width = x.shape[-2:]
        return self.body(pad_to_period(x, self.period))[..., :height, :width]


class MeanOfParts(nn.Module):
    """nn.AdaptiveAvgPool2d to more than one pixel, as products with matrices: for images whose size is free, exporters
    write torch's for the size that they saw."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, *size)."""
        rows, columns = (_parts(length, count, x) for length, count in zip(x.shape[-2:], self.size, strict=True))
        return rows @ x @ columns.T


def _parts(length: int, count: int, like: Tensor) -> Tensor:
    """(count, length): the mean over part i of an axis, from floor(i * length / count) to ceil((i+1) * length / count),
    as torch cuts it."""
    at, i = torch.arange(length, device=like.device), torch.arange(count, device=like.device)[:, None]
    within = ((at >= i * length // count) & (at < ((i + 1) * length + count - 1) // count)).to(like.dtype)
    return within / within.sum(1, keepdim=True)


def _body(channels: int, classes: int, architecture: str, encoder: str, pretrained: bool) -> nn.Module:
    """smp's network."""
    try:
        import segmentation_models_pytorch as smp  # here, not above: an optional extra
    except ImportError:
        raise ValueError(needs("model=smp", "smp", "segmentation-models-pytorch")) from None
    import timm  # which smp brings

    timms = encoder.startswith("tu-")
    known = [*smp.encoders.get_encoder_names(), *(f"tu-{name}" for name in timm.list_models())]
    if not (timm.is_model(encoder[3:]) if timms else encoder in known):  # of timm's, too, no address on a hub
        near = difflib.get_close_matches(encoder, known, n=3)
        raise ValueError(f"encoder={encoder} is none of smp's, nor tu- and one of timm's; near it: {', '.join(near)}")
    if architecture == "DPT" and not timms:
        raise ValueError(
            f"encoder={encoder} has no tokens, which DPT needs: take a vision transformer of timm's, such as "
            "tu-vit_tiny_patch16_224"
        )
    options = {"dynamic_img_size": True} if architecture == "DPT" else {}  # positions for images of any size
    weights = None if not pretrained else True if timms else "imagenet"
    build = getattr(smp, architecture)
    try:
        body = build(encoder, encoder_weights=weights, in_channels=channels, classes=classes, **options)
        with_fast_gradients(body)
        return body
    except Exception as error:  # smp, timm and the hub's client raise whatever they meet
        why = printable(str(error) or type(error).__name__)
        if pretrained:
            raise ValueError(
                f"pretrained=true: the weights of {encoder} could not be fetched ({why}); model.pretrained=FILE takes "
                "them from a file"
            ) from error
        raise ValueError(f"encoder={encoder} is none that {architecture} can use ({why})") from error


def _load(encoder: nn.Module, file: str, channels: int) -> None:
    """Give an encoder the weights of a file."""
    try:
        if Path(file).suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
        first = next(key for key, value in weights.items() if value.ndim == 4)
        if weights[first].shape[1] == 3 != channels:
            weights[first] = widened(weights[first], channels)
        encoder.load_state_dict(weights)
    except FileNotFoundError:
        raise ValueError(f"pretrained={file} is no file; it may be true, false, or a file of weights") from None
    except (OSError, ValueError, RuntimeError, AttributeError, StopIteration, pickle.UnpicklingError) as error:
        why = printable(str(error).partition("\n\t")[2] or str(error) or type(error).__name__)
        raise ValueError(f"pretrained={file} holds no weights of this encoder ({why})") from error
