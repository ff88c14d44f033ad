"""Encoders: images to feature maps. `models.networks.interfaces.Encoder` says what one promises."""

from models.networks.encoders.efficientnet_lite0 import EfficientNetLite0
from models.networks.encoders.plain import PlainEncoder
from models.networks.encoders.resnet import ResNet
from models.networks.encoders.timm_backbone import TimmBackbone

FAMILIES = {
    "plain": PlainEncoder,
    "resnet": ResNet,
    "timm": TimmBackbone,
    "efficientnet_lite0": EfficientNetLite0,
}

__all__ = ["FAMILIES", "EfficientNetLite0", "PlainEncoder", "ResNet", "TimmBackbone"]
