"""Encoders: images to feature maps. `models.interfaces.Encoder` says what one promises."""

from models.encoders.efficientnet_lite0 import EfficientNetLite0
from models.encoders.plain import PlainEncoder
from models.encoders.resnet import ResNet
from models.encoders.timm_backbone import TimmBackbone

FAMILIES = {
    "plain": PlainEncoder,
    "resnet": ResNet,
    "timm": TimmBackbone,
    "efficientnet_lite0": EfficientNetLite0,
}

__all__ = ["FAMILIES", "EfficientNetLite0", "PlainEncoder", "ResNet", "TimmBackbone"]
