"""How far a set of generated images is from a set of real ones. No score looks at one image alone.

Where several processes run, each has the sets whole, and scores them for itself.
"""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from models.tasks.generation.feature_networks import features
from upsample.instrument.checkerboard import Checkerboard
from upsample.instrument.harmonics import divisors
from upsample.instrument.outputs import GridInOutputs, OutputResult

SUBSETS, SUBSET_SIZE = 10, 1000  # of the kernel distance, an average over subsets; each at most so many images


def power_spectrum(images: Tensor) -> Tensor:
    """Mean power spectrum over images and channels, (S, S) float64 in torch.fft order, of (N, C, S, S) images.

    Each channel loses its mean and is seen through a periodic Hann window, so that the jump from one border of
    an image to the other does not fill the high frequencies.
    """
    side = images.shape[-1]
    window = torch.hann_window(side, device=images.device)
    total = torch.zeros(side, side, dtype=torch.float64, device=images.device)
    for batch in images.split(256):
        x = batch.float()
        x = (x - x.mean((-2, -1), keepdim=True)) * window[:, None] * window
        total += torch.fft.fft2(x).abs().square().mean(1).double().sum(0)
    return total / len(images)


def radial_power(power: Tensor) -> Tensor:
    """(S // 2,) float64: the mean of a power spectrum (S, S) over rings of radius 1, 2 ... S // 2 cycles per image.

    A frequency belongs to the nearest ring; the corners beyond the last ring belong to none.
    """
    side = len(power)
    along = torch.fft.fftfreq(side, 1 / side, device=power.device)
    ring = torch.hypot(along[:, None], along).round().long().flatten()
    sums = torch.zeros(int(ring.max()) + 1, dtype=power.dtype, device=power.device)
    counts = ring.bincount()
    return (sums.index_add(0, ring, power.flatten()) / counts)[1 : side // 2 + 1]


def spectrum_gap(real: Tensor, fake: Tensor) -> float:
    """Mean |difference| of the natural logarithms of two radial powers (R,), over the top quarter of frequencies.

    Each is first divided by its power at the lowest frequency, so that contrast does not count. 0.69 is a
    factor of two in power. Less than a thousandth of what rounding to 8 bits leaves counts as that, so that constant
    images have a gap, too. After Durall et al., "Watch your up-convolution" (2020), section 3.
    """
    rounding = 1e-3 / 12 * (0.375 * 2 * len(real)) ** 2  # of variance 1/12, under a Hann window in two directions
    fake, real = fake.clamp_min(rounding), real.clamp_min(rounding)
    difference = (fake / fake[0]).log() - (real / real[0]).log()
    return difference[3 * len(real) // 4 :].abs().mean().item()


class _AsGiven(nn.Module):
    """Lets torchmetrics take features where it expects images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between Gaussians fitted to features (N, F) and (M, F). Biased upwards, more so the fewer
    images there are: only values for the same N and M compare. Heusel et al., "Two time-scale update rule" (2017)."""
    metric = FrechetInceptionDistance(_AsGiven(real.shape[1]), sync_on_compute=False).to(real.device)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return metric.compute().item()


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Squared maximum mean discrepancy of features (N, F) and (M, F) under a cubic kernel: unbiased for any number.
    Bińkowski et al., "Demystifying MMD GANs" (2018), section 4. Subsets are drawn with seed 0."""
    size = min(len(real), len(fake), SUBSET_SIZE)
    metric = KernelInceptionDistance(_AsGiven(real.shape[1]), SUBSETS, size, sync_on_compute=False).to(real.device)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return metric.compute()[0].item()


class GenerationScores:
    """Scores sets of images against one set of real ones, whose features and spectrum are taken once.

    real   (N, C, S, S) uint8
    found  a feature network and what the two distances in its features are called; None: only the spectrum counts
    """

    def __init__(self, real: Tensor, found: tuple[nn.Module, str, str] | None) -> None:
        self.found = found
        self.features = features(found[0], real) if found else None
        self.spectrum = radial_power(power_spectrum(real))

    def __call__(self, fake: Tensor) -> dict[str, float]:
        """`spectrum_gap` and, with a feature network, its two distances, of (M, C, S, S) uint8 images."""
        scores = {"spectrum_gap": spectrum_gap(self.spectrum, radial_power(power_spectrum(fake)))}
        if self.found and self.features is not None:
            network, frechet_name, kernel_name = self.found
            found = features(network, fake)
            scores[frechet_name] = frechet(self.features, found)
            scores[kernel_name] = kernel_distance(self.features, found)
        return scores


def grid_of(images: Tensor, period: int) -> OutputResult:
    """The test for a grid on outputs alone, of uint8 images (N, C, H, W) whose decoder has this period.

    A generator has no image to shift: what it draws is tested against itself, moved.
    """
    metric = GridInOutputs(divisors(period)).to(images.device)
    metric.sync_on_compute = False
    metric.update(images)
    return metric.result()


def checkerboards(images: Tensor, fields: Tensor | None, period: int) -> dict[str, float]:
    """Both classical measures on images, `checkerboard/...`, and on larger fields, `checkerboard_field/...`.

    images (N, C, S, S) and fields (M, C, T, T), uint8 or floating. A period is measured on images of ten or more
    periods a side; a DCGAN's image, made from 4 x 4 pixels, holds four of its decoder's whole period.
    """
    scores: dict[str, float] = {}
    for name, measured in (("checkerboard", images), ("checkerboard_field", fields)):
        if measured is not None:
            metric = Checkerboard(period, max_images=None).to(measured.device)
            metric.sync_on_compute = False
            for batch in measured.split(256):
                metric.update(batch.float())
            scores |= {f"{name}/{key}": value for key, value in metric.compute().items()}
    return scores
