"""A second head, deep in the encoder, that helps training and is not part of the network."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.interfaces import Encoder, Network


class AuxiliaryHead(nn.Module):
    """Classifies pixels from the encoder's second-deepest features. Zhao et al., PSPNet (2017), section 3.3.

    Reads what the encoder gave in the network's last forward pass in training mode; `forward(size)` returns its logits
    (N, K, *size), enlarged bilinearly, once for a pass. Raises ValueError for a network without an encoder.
    """

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        encoder = getattr(network, "encoder", None)
        if not isinstance(encoder, Encoder):
            raise ValueError("task.auxiliary needs a network with an encoder; set it to 0")
        width = encoder.channels[-2]
        self.head = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, classes, 1),
        )
        self.features: Tensor | None = None
        encoder.register_forward_hook(self._keep)

    def _keep(self, encoder: nn.Module, _inputs: Any, outputs: tuple[list[Tensor], Any]) -> None:
        self.features = outputs[0][-2] if encoder.training else None

    def forward(self, size: tuple[int, int]) -> Tensor:
        """See the class."""
        features, self.features = self.features, None  # else copies of the network would copy its graph
        assert features is not None
        return F.interpolate(self.head(features).float(), size=size, mode="bilinear", align_corners=False)
