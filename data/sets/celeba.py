"""CelebA (Liu et al., 2015): 202 599 faces, aligned, 178 x 218 pixels."""

from pathlib import Path
from typing import Any

from data.files.finding import Finder, Pair
from data.loading.datamodule import DataModule
from data.loading.one_size import resized
from data.sets.published import explained

SPLIT_OF_CODE = {"0": "train", "1": "val", "2": "test"}
LIST = "list_eval_partition.txt"


def celeba(root: str | None, download: bool) -> dict[str, list[Pair]]:
    """The official splits: 162 770 training, 19 867 validation and 19 962 test images."""
    splits: dict[str, list[Pair]] = {split: [] for split in SPLIT_OF_CODE.values()}
    with explained("celeba", root, f"celeba with img_align_celeba and {LIST}", download):
        assert root is not None
        top = Path(root, "celeba")
        if download and not (top / "img_align_celeba").is_dir():
            from torchvision.datasets import CelebA as Published  # here: it is slow to import

            Published(root, download=True)
        lines = (top / LIST).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        match line.split():
            case [name, "0" | "1" | "2" as code]:
                splits[SPLIT_OF_CODE[code]].append(Pair(Path(name).stem, top / "img_align_celeba" / name))
            case _:
                raise ValueError(
                    f"line {number} of {top / LIST} is no name and 0, 1 or 2, but '{line}'; fetch it again"
                )
    return splits


class CelebA:
    """The source that conf/data/celeba.yaml describes."""

    def __init__(self, root: str | None, download: bool, crop: int, on_error: str, **loading: Any) -> None:
        self.finder, self.splits = Finder(on_error, "skip"), celeba(root, download)
        self.crop, self.loading = crop, loading

    def images_of_one_size(self) -> DataModule:
        """Colour images, the square in the middle of each."""
        return resized("celeba", self.finder, self.splits, self.crop, **self.loading)
