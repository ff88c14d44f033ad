"""Max-unpooling."""

from torch import Tensor, nn

from upsample.contract import operator


@operator("unpool", needs=("indices",))
class Unpool(nn.Module):
    """Puts every value back where the encoder's max-pooling found its maximum; zeros elsewhere.

    Badrinarayanan, Kendall & Cipolla, "SegNet" (TPAMI 2017), section 3. The indices are per channel,
    so 1x1 convolutions bring x to indices_channels before and to out_channels after where they differ.
    Cost: in_channels * indices_channels / scale**2 + indices_channels * out_channels MACs per output
    pixel, less the convolution that is not needed.
    Pitfall: a share of 1 - 1/scale**2 of the output is empty (zero, or the bias of the last 1x1
    convolution); the network must convolve afterwards, as SegNet's decoder does.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int, indices_channels: int) -> None:
        super().__init__()
        self.scale = scale
        self.before = nn.Identity() if in_channels == indices_channels else nn.Conv2d(in_channels, indices_channels, 1)
        self.after = nn.Identity() if indices_channels == out_channels else nn.Conv2d(indices_channels, out_channels, 1)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W), indices (N, indices_channels, H, W) -> (N, out_channels, scale*H, scale*W)."""
        if indices is None:
            raise ValueError("unpool needs the encoder's max-pooling indices; forward got none")
        x = self.before(x)
        height, width = self.scale * x.shape[-2], self.scale * x.shape[-1]
        # What max_unpool2d does, in an operation that every runtime has and whose gradient is deterministic.
        flat = x.new_zeros(*x.shape[:2], height * width).scatter(2, indices.flatten(2), x.flatten(2))
        return self.after(flat.unflatten(2, (height, width)))
