"""Low-resolution images as cameras and the web leave them: blurred, noisy, compressed.

Published networks learn from bicubic reductions, which are cleaner than any photograph, and so enlarge what is wrong
with one. The classical model is a blur, a reduction, noise, and JPEG (Wang et al., "Real-ESRGAN", 2021, section 3.1).
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from data.degrade_options import DegradeOptions
from data.loading.augment import Augment
from data.loading.samples import FileSamples
from data.reduced.bicubic import resize, to_uint8

SEED = 0  # of what is done to images that are validated and tested on: the same in every run
REACH = 3.0  # standard deviations that a blur reaches


def degraded(image: Tensor, scale: int, options: DegradeOptions, random: np.random.Generator) -> Tensor:
    """(3, H, W) uint8 to (3, H/scale, W/scale) uint8: blurred, reduced by bicubic, with noise, through JPEG.

    How much of each is drawn uniformly between the two numbers of the options; JPEG halves the resolution of its
    colours, as cameras do. Where all are off it is `data.reduced.bicubic.shrink`. Raises ValueError where the scale
    does not divide both sides.
    """
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"an image of {height} x {width} pixels cannot be reduced by {scale}")
    x = image.double()
    if options.blur is not None:
        deviation = random.uniform(options.blur[0], options.blur[1])
        # In float64, by one thread: the same to the last bit wherever it is done.
        x = torch.from_numpy(gaussian_filter(x.numpy(), deviation, mode="reflect", truncate=REACH, axes=(-2, -1)))
    low = resize(x, height // scale, width // scale)
    if options.noise is not None:
        deviation = random.uniform(options.noise[0], options.noise[1])
        low = low + torch.from_numpy(random.normal(0, deviation, low.shape))
    done = to_uint8(low)
    if options.jpeg is None:
        return done
    low_quality, high_quality = options.jpeg
    return compressed(done, int(random.integers(low_quality, high_quality, endpoint=True)))


def compressed(image: Tensor, quality: int) -> Tensor:
    """(3, H, W) uint8 as JPEG of a quality, 1 to 100, gives it back."""
    file, pixels = BytesIO(), image.permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as picture:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def multiples(image: Tensor, scale: int) -> Tensor:
    """The image (..., H, W), cropped at the right and bottom to whole multiples of the scale."""
    height, width = (length // scale * scale for length in image.shape[-2:])
    return image[..., :height, :width]


class DegradedSamples(FileSamples):
    """Samples as they are, and of each "low": (3, H/scale, W/scale) uint8, made of "image" by a seed and its place."""

    def __init__(self, samples: FileSamples, scale: int, options: DegradeOptions) -> None:
        super().__init__(samples.cache, samples.indices, samples.each)
        self.scale, self.degradation = scale, options

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample, random = super().__getitem__(index), np.random.default_rng((SEED, index))
        whole = multiples(sample["image"], self.scale)
        return sample | {"low": degraded(whole, self.scale, self.degradation, random)}


class DegradingAugment(Augment):
    """As `Augment`, and of each sample "low", made of what is cut out of "image"."""

    def __init__(self, options: Mapping[str, Any], size: int, scale: int, degradation: DegradeOptions) -> None:
        super().__init__({**options, "device": "loader"}, size)  # what the device turned would not be what was reduced
        self.scale, self.degradation = scale, degradation

    def __call__(self, sample: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
        """See the class."""
        done = super().__call__(sample, random)
        whole = multiples(done["image"], self.scale)
        return done | {"low": degraded(whole, self.scale, self.degradation, random)}
