"""The fixtures of tests/upsample."""

from tests.upsample.conftest import build_variant, offer, offered

__all__ = ["build_variant", "offer", "offered"]
