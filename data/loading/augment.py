"""Random variants of a sample, drawn once and alike for image and mask.

A crop is cut from the stored uint8 image first (data/loading/crop.py), so that only its pixels are resized, turned and
coloured. torchvision's transforms draw one set of parameters for a whole batch, and their tv_tensors resize masks with
`nearest`, which lies up to half a pixel off the bilinear image; so its kernels are used, with numbers drawn here for
each sample and `nearest-exact` for masks.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from data.augment_options import read_augment
from data.loading.colour import jitter, jitter_stored
from data.loading.crop import PADDING, TRUTHS, cut, extent, pixel_of_a_class, position

NODES = 4  # a side of the grid on whose nodes an elastic deformation is drawn
FARTHEST = 2.0  # standard deviations that a pixel moves by an elastic deformation, at most


class Augment:
    """Cut, turn and colour samples {"image": (C, H, W), ...}, with "mask" (H, W) or (K, H, W) uint8 or "target" (H, W)
    float32, if any.

    options       as conf/data/augment/none.yaml documents them; what is not named is off
    size          pixels a side of what comes out
    ignore_index  label of what lies beyond an image's border; None where there are no masks
    beyond        whether a crop may reach beyond its image; else ValueError. None: where there are masks
    balance       probability that a crop is laid around a pixel of a class drawn so that every class is met as often
    areas         (K,) summed over the training images, for `balance`: as `data.loading.sampler.balanced` counts them
    moments       mean and standard deviation of each channel, of images in float32; None: they are uint8
    """

    def __init__(
        self,
        options: dict[str, Any],
        size: int,
        ignore_index: int | None = None,
        balance: float = 0.0,
        areas: NDArray[np.float64] | None = None,
        moments: tuple[Sequence[float], Sequence[float]] | None = None,
        beyond: bool | None = None,
    ) -> None:
        self.options, self.size, self.ignore_index = read_augment(options), size, ignore_index
        self.beyond = ignore_index is not None if beyond is None else beyond
        self.balance, self.areas = balance, areas
        self.moments = None if moments is None else torch.tensor(moments, dtype=torch.float32)[..., None, None]
        self.padding = PADDING if self.moments is None else self.moments[0]
        # A crop to be rotated or deformed is cut wide enough to leave no empty corner, whatever is drawn.
        angle = math.radians(min(self.options.rotation, 45))
        self.farthest = FARTHEST * self.options.elastic
        self.margin = math.ceil(size * (math.cos(angle) + math.sin(angle) - 1) / 2 + self.farthest)

    def __call__(self, sample: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
        """A random variant of a sample: image (C, size, size), mask (size, size).

        Where options.device is `device` it is only cut, with a margin for its rotation, and comes with "augment",
        the numbers by which `finish` turns and colours it as part of a batch.
        """
        planes: dict[str, Tensor] = {key: sample[key] for key in ("image", *TRUTHS) if key in sample}
        cropped = self._crop(planes, random)
        drawn = self._draw(random)
        if self.options.device == "device":
            return sample | cropped | {"augment": drawn}
        batch = self.finish({key: x[None] for key, x in cropped.items()} | {"augment": drawn[None]})
        return sample | {key: x[0] for key, x in batch.items()}

    def _crop(self, planes: dict[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
        o, (rows, columns), around = self.options, planes["image"].shape[-2:], None
        extents = extent(rows, columns, self.size, o.scale, o.area, o.aspect, random)
        if self.balance and "mask" in planes and random.random() < self.balance:
            around = pixel_of_a_class(planes["mask"], self.areas, self.ignore_index, random)
        top, left = (
            position(length, window, None if around is None else around[i], random)
            for i, (length, window) in enumerate(zip((rows, columns), extents, strict=True))
        )
        height, width = extents
        # The margin in pixels of the image: what is cut stays centred on what was drawn.
        above, beside = (round(window * self.margin / self.size) for window in extents)
        box = (top - above, left - beside, height + 2 * above, width + 2 * beside)
        return cut(planes, *box, self.size + 2 * self.margin, self.ignore_index, self.padding, self.beyond)

    def _draw(self, random: np.random.Generator) -> Tensor:
        """(8,) float32: three flips, 0 or 1, the angle in radians, and what `jitter` takes; behind them, where it is
        deformed, (2, NODES, NODES) pixels down and across. Nothing is drawn for what is off."""
        o = self.options
        flips = [float(p > 0 and random.random() < p) for p in (o.vertical_flip, o.horizontal_flip, o.transpose)]
        angle = math.radians(random.uniform(-o.rotation, o.rotation)) if o.rotation else 0.0
        factors = [random.uniform(1 - s, 1 + s) if s else 1.0 for s in (o.brightness, o.contrast, o.saturation)]
        turn = random.uniform(-o.hue, o.hue) if o.hue else 0.0
        moved = random.normal(0, o.elastic, 2 * NODES**2).tolist() if o.elastic else []
        return torch.tensor([*flips, angle, *factors, turn, *moved], dtype=torch.float32)

    def finish(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Turn, deform and colour a batch by its "augment", on whatever device it lies; without, it stays as it is."""
        if "augment" not in batch:
            return batch
        drawn = batch["augment"]
        done = {key: value for key, value in batch.items() if key != "augment"}
        o, planes = self.options, [done["image"]]
        truth = next((key for key in TRUTHS if key in done), None)
        if truth is not None:
            planes.append(done[truth] if done[truth].ndim == 4 else done[truth][:, None])
        for i, dims in enumerate(((-2,), (-1,), None)):
            if (o.vertical_flip, o.horizontal_flip, o.transpose)[i]:
                which = drawn[:, i, None, None, None] > 0
                planes = [torch.where(which, x.mT if dims is None else x.flip(dims), x) for x in planes]
        if o.rotation or o.elastic:
            planes = self._warp(planes, drawn[:, 3], drawn[:, 8:].view(-1, 2, NODES, NODES) if o.elastic else None)
        if o.brightness or o.contrast or o.saturation or o.hue:
            if self.moments is None:
                planes[0] = jitter(planes[0], *drawn[:, 4:8].unbind(1))
            else:
                planes[0] = jitter_stored(planes[0], drawn[:, 4], drawn[:, 5], self.moments[1].to(drawn.device))
        if truth is not None:
            done[truth] = planes[1] if done[truth].ndim == 4 else planes[1][:, 0]
        return done | {"image": planes[0]}

    def _warp(self, planes: list[Tensor], angle: Tensor, moved: Tensor | None) -> list[Tensor]:
        """Images bilinear, masks and targets nearest, turned about their centre and deformed; what comes out is the
        middle, size x size.

        moved  (N, 2, NODES, NODES) pixels down and across on a grid over it, bicubic between its nodes (Ronneberger et
               al., U-Net, 2015, section 3.1)
        """
        side = planes[0].shape[-1]
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        matrix = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3) * (self.size / side)
        grid = F.affine_grid(matrix, [len(angle), 1, self.size, self.size], align_corners=False)
        if moved is not None:
            pixels = F.interpolate(moved, (self.size, self.size), mode="bicubic", align_corners=True)
            down, across = pixels.clamp(-self.farthest, self.farthest).unbind(1)
            grid = grid + torch.stack([across, down], -1) * (2 / side)
        turned = []
        padding = self.padding.to(angle.device) if isinstance(self.padding, Tensor) else self.padding
        for x, beyond, mode in zip(planes, (padding, self.ignore_index), ("bilinear", "nearest"), strict=False):
            if beyond is None:  # of targets, in which NaN is no number to subtract; the margin leaves no empty corner
                turned.append(F.grid_sample(x, grid, mode, "border", align_corners=False))
                continue
            y = F.grid_sample(x.float() - beyond, grid, mode, "zeros", align_corners=False) + beyond
            turned.append(y.round().to(torch.uint8) if x.dtype == torch.uint8 else y)
        return turned
