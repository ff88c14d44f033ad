"""Fields larger than a generator's images, on which checkerboards of its whole period can be measured."""

import torch.nn.functional as F
from torch import Tensor

from models.networks.adversarial import COARSE as STAMP
from models.networks.adversarial import Generator


def fields(generator: Generator, latents: Tensor) -> Tensor:
    """Larger images (N, C, (g - 3) * period, (h - 3) * period) in [-1, 1] of grids of latents (N, latent, g, h).

    Of a generator of classes they are grids (N, latent + classes, g, h), of one class throughout.

    An image starts from 4 x 4 coarse pixels, which is four periods a side, where a checkerboard needs ten. All
    that follows is convolutional, so it runs on larger maps as well. These are the projections of the latents,
    each laid one coarse pixel from the next and summed, over 4: the mean of 16 independent stamps has a 16th of
    the variance, so each coarse pixel is as much normal noise as in an image, with the covariance between
    channels averaged over the sixteen places. Only full overlaps are kept. Nothing but the upsamplers sees
    position here, so what repeats with the period is theirs. A field is a texture, not an image of the data.
    """
    count, _, rows, columns = latents.shape
    noise, label = generator.parted(latents)
    stamps = generator.project(noise.movedim(1, -1).flatten(0, 2))
    laid = stamps.view(count, rows * columns, -1).transpose(1, 2)
    coarse = F.fold(laid, (rows + STAMP - 1, columns + STAMP - 1), STAMP) / STAMP
    inner = coarse[..., STAMP - 1 : rows, STAMP - 1 : columns]
    return generator.enlarged(inner, None if label is None else label[..., 0, 0])
