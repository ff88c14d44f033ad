"""Scores of super-resolved images as the field reports them: on luma, the border cropped, the mean over images."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.utilities import dim_zero_cat

GAUSSIAN = 11  # pixels a side of SSIM's window, whose standard deviation is 1.5


def luma(image: Tensor) -> Tensor:
    """(N, C, H, W) RGB or grey in [0, 255] to (N, 1, H, W) float64 in [16, 235].

    Y of ITU-R BT.601 with its studio swing, as MATLAB's rgb2ycbcr, unrounded.
    """
    red, green, blue = image.expand(-1, 3, -1, -1).double().unbind(1)
    return (16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255)[:, None]


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, (N,), for a peak of 255. Infinite where they are equal."""
    return 10 * (255**2 / (image - truth).square().flatten(1).mean(1)).log10()


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each image, (N,), for a range of 255 (Wang et al., 2004).

    The mean over the places where the whole window lies inside the image, as the authors' code has it.
    """
    image, truth = image.float(), truth.float()  # seven times as fast as float64, and the same to 1e-5
    with torch.autocast(image.device.type, enabled=False):  # or a trainer's bfloat16 would blur the windows
        _, local = structural_similarity_index_measure(
            image, truth, sigma=1.5, data_range=255.0, return_full_image=True
        )
    edge = GAUSSIAN // 2
    return local[..., edge:-edge, edge:-edge].flatten(1).mean(1)


class ImageScores(Metric):
    """PSNR-Y in dB and SSIM-Y, each the mean over the images of a data set.

    border  pixels cropped from each side before anything is measured: the scale factor
    update(image, truth): both (N, C, H, W) uint8, C 1 or 3; sizes may change from call to call. Raises ValueError
    for images of less than SSIM's window inside the border.
    compute(): {"psnr_y": float, "ssim_y": float}
    """

    full_state_update = False
    psnr_y: list[Tensor]
    ssim_y: list[Tensor]

    def __init__(self, border: int) -> None:
        super().__init__()
        self.border = border
        for name in ("psnr_y", "ssim_y"):  # each image's, so that no sum's rounding depends on the order
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, image: Tensor, truth: Tensor) -> None:
        """Measure one batch, on the CPU: not every accelerator has float64."""
        height, width = image.shape[-2:]
        needed = GAUSSIAN + 2 * self.border
        if min(height, width) < needed:
            raise ValueError(
                f"SSIM with {self.border} border pixels cropped needs images of at least {needed} x {needed} pixels, "
                f"not {height} x {width}"
            )
        inner = (..., slice(self.border, height - self.border), slice(self.border, width - self.border))
        a, b = luma(image.cpu())[inner], luma(truth.cpu())[inner]
        self.psnr_y.append(psnr(a, b).float().to(self.device))
        self.ssim_y.append(ssim(a, b).to(self.device))

    def compute(self) -> dict[str, float]:
        """See the class."""
        values = {name: dim_zero_cat(getattr(self, name)).cpu().double() for name in ("psnr_y", "ssim_y")}
        return {name: each.mean().item() for name, each in values.items()}
