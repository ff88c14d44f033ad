"""Encoders: images to feature maps. `models.interfaces.Encoder` says what one promises."""

from models.encoders.plain import PlainEncoder

ENCODERS = {"plain": PlainEncoder}

__all__ = ["ENCODERS", "PlainEncoder"]
