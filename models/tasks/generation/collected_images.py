"""The first images of a data set, held together."""

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class FirstImages(Metric):
    """The first `count` images of a data set in its order, whatever order, and whichever process, they come in.

    update(images, index): (N, C, H, W) of any dtype, and their places in the data set, (N,) int64.
    compute(): (M, C, H, W), at most `count` images.
    """

    full_state_update = False
    images: list[Tensor]
    places: list[Tensor]

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        for name in ("images", "places"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, images: Tensor, index: Tensor) -> None:
        """Keep what belongs to the first, which may be none."""
        early = index < self.count
        self.images.append(images[early])
        self.places.append(index[early])

    def compute(self) -> Tensor:
        """See the class."""
        return dim_zero_cat(self.images)[dim_zero_cat(self.places).argsort()]
