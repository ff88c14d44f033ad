"""Images that are all of one size, as a generator learns to draw."""

from torch import Tensor
from torch.utils.data import Dataset

from data.module import DataModule, Images

VALIDATION = 5000  # the last of a stack's training images; what is tested is the authors' own test set


def require_size(name: str, side: int, crop: int) -> None:
    """Raise ValueError where images of `side` pixels cannot serve a network of `crop` pixels."""
    if crop != side:
        raise ValueError(
            f"data.crop is {crop}, but images of {name} are {side} pixels a side, and enlarging them would print a "
            f"pattern of its own; set data.crop={side}, for a DCGAN model.size={side}"
        )


class Stack(Dataset[dict[str, Tensor | str]]):
    """Images held in memory, (N, C, H, W) uint8, as {"image": (C, H, W) uint8, "name": str}.

    Asked for (epoch, index) it answers as for the index: a mirrored shoe or digit is no longer one of these.
    """

    def __init__(self, images: Tensor, name: str) -> None:
        self.images, self.name = images, name

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor | str]:
        index = key[1] if isinstance(key, tuple) else key
        return {"image": self.images[index], "name": f"{self.name}-{index:05d}"}


def stacks(info: Images, train: Tensor, test: Tensor, batch_size: int, seed: int) -> DataModule:
    """Training and test images, (N, C, H, W) uint8, as the data of a run; the last of training are for validation."""
    kept = max(1, min(VALIDATION, len(train) // 2))
    parts = Stack(train[:-kept], "train"), Stack(train[-kept:], "val"), Stack(test, "test")
    return DataModule(info, *parts, batch_size=batch_size, seed=seed, test_batch_size=100)
