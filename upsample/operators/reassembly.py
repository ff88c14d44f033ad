"""Content-aware reassembly: every output pixel is its own weighted mean of an input window.

The weights are predicted (CARAFE) or are similarities between the skip and x (SAPA). All work
happens on the input's grid with the scale**2 output phases as an extra dimension, one tap of the
window at a time: shifted inputs are views, so neither the forward pass nor autograd holds the
window_size**2 enlarged copies of the features that an unfolded formulation does.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import check_divisible, check_odd, operator
from upsample.operators.forms.edge_padding import replicate


def neighbours(padded: Tensor, window_size: int) -> Iterator[Tensor]:
    """Views of (..., H+window_size-1, W+window_size-1), one (..., H, W) per tap in row-major order."""
    height, width = padded.shape[-2] - window_size + 1, padded.shape[-1] - window_size + 1
    for dy in range(window_size):
        rows = padded[..., dy : dy + height, :]
        for dx in range(window_size):
            yield rows[..., dx : dx + width]


def reassemble(padded: Tensor, weights: Tensor, scale: int) -> Tensor:
    """Weighted sums of input windows, one set of weights per output pixel.

    padded   (N, G*C, H+k-1, W+k-1): features, the border already filled in
    weights  (N, G, k*k, scale**2, H, W): by channel group, tap, output phase and input pixel
    returns  (N, G*C, scale*H, scale*W), summed in the wider of the two dtypes
    """
    groups, taps = weights.shape[1:3]
    features = padded.unflatten(1, (groups, -1)).unsqueeze(3)  # (N, G, C, 1, H+k-1, W+k-1)
    total = weights.new_zeros(())
    for window, weight in zip(neighbours(features, round(taps**0.5)), weights.unsqueeze(2).unbind(3), strict=True):
        total = torch.addcmul(total, window, weight)
    return F.pixel_shuffle(total.flatten(1, 3), scale)


@operator("carafe")
class Carafe(nn.Module):
    """Reassembly with kernels predicted from x itself; the border of the features is zero.

    Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures" (ICCV 2019), section 3: compress to
    `mid_channels`, encode with a k_enc x k_enc convolution into k_up**2 weights per output pixel,
    softmax over the window, weighted sum. `groups` gives each group of channels its own kernels.
    Where the channel count changes a 1x1 convolution comes first; the kernels still see all of x.
    Cost per output pixel: k_up**2 * out_channels + k_enc**2 * mid_channels * k_up**2 * groups
    + in_channels * (mid_channels, + out_channels where they differ) / scale**2 MACs.
    Pitfalls: the zero border darkens constants near the edge; the weights are positive, so it can
    only smooth; out_channels must be a multiple of `groups` (ValueError).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        up_kernel: int = 5,
        encoder_kernel: int = 3,
        mid_channels: int = 64,
        groups: int = 1,
    ) -> None:
        super().__init__()
        check_odd("carafe", "up_kernel", up_kernel)
        check_odd("carafe", "encoder_kernel", encoder_kernel)
        check_divisible("carafe", "out_channels", out_channels, groups, f"groups={groups}")
        self.scale, self.up_kernel, self.groups = scale, up_kernel, groups
        self.project = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        self.compress = nn.Conv2d(in_channels, mid_channels, 1)
        self.encode = nn.Conv2d(
            mid_channels, groups * up_kernel**2 * scale**2, encoder_kernel, padding=encoder_kernel // 2
        )
        # Nearly equal weights at the start: the layer begins as a k_up x k_up mean.
        nn.init.normal_(self.encode.weight, std=0.001)
        assert self.encode.bias is not None
        nn.init.zeros_(self.encode.bias)

    def kernels(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, groups, k_up**2, scale**2, H, W), positive, summing to 1 over the taps.

        Channel c*scale**2 + r of the encoder is tap c of output phase r, as after a pixel shuffle.
        """
        logits = self.encode(self.compress(x)).unflatten(1, (self.groups, self.up_kernel**2, self.scale**2))
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(2)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        features = self.project(x)
        padded = F.pad(features, [self.up_kernel // 2] * 4)
        return reassemble(padded, self.kernels(x), self.scale).to(features.dtype)


@operator("sapa", needs=("skip",))
class Sapa(nn.Module):
    """Reassembly weighted by how alike the skip's pixel (query) and x's window (keys) are.

    Lu et al., "SAPA: Similarity-Aware Point Affiliation for Feature Upsampling" (NeurIPS 2022),
    section 4, the low-rank bilinear variant SAPA-B: queries and keys are linear embeddings of the
    layer-normalised skip and x, the weights a softmax of their inner products over the window.
    Here the border is replicated, so the weights only ever point at real pixels. Where the channel
    count changes, a 1x1 convolution of x makes the values.
    Cost per output pixel: skip_channels * embedding + window_size**2 * (embedding + out_channels)
    + in_channels * (embedding, + out_channels where they differ) / scale**2 MACs.
    Pitfall: it copies the skip's edges, also those that the labels do not have.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        skip_channels: int,
        window_size: int = 5,
        embedding: int = 64,
    ) -> None:
        super().__init__()
        check_odd("sapa", "window_size", window_size)
        self.scale, self.window_size = scale, window_size
        self.project = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        # The keys have no biases: what all keys of a window share, the softmax cancels.
        self.norm_query, self.norm_key = nn.LayerNorm(skip_channels), nn.LayerNorm(in_channels, bias=False)
        self.query, self.key = nn.Linear(skip_channels, embedding), nn.Linear(in_channels, embedding, bias=False)

    def kernels(self, x: Tensor, skip: Tensor) -> Tensor:
        """x (N, C, H, W), skip (N, S, scale*H, scale*W) -> (N, 1, window**2, scale**2, H, W), summing to 1."""
        query = self.query(self.norm_query(skip.movedim(1, -1))).movedim(-1, 1)
        key = self.key(self.norm_key(x.movedim(1, -1))).movedim(-1, 1)
        query = F.pixel_unshuffle(query, self.scale).unflatten(1, (-1, self.scale**2))  # (N, E, scale**2, H, W)
        key = replicate(key, self.window_size // 2, self.window_size // 2).unsqueeze(2)
        logits = torch.stack([(query * near).sum(1) for near in neighbours(key, self.window_size)], 1)
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(1).unsqueeze(1)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W), skip (N, skip_channels, scale*H, scale*W) -> (N, out_channels, scale*H, scale*W)."""
        if skip is None:
            raise ValueError("sapa needs the encoder's skip at the output size; forward got none")
        features = self.project(x)
        padded = replicate(features, self.window_size // 2, self.window_size // 2)
        return reassemble(padded, self.kernels(x, skip), self.scale).to(features.dtype)
