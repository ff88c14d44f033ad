"""A folder of one's own without its masks, or without any: images to learn to draw."""

from pathlib import Path
from typing import Any

from data.files.finding import Finder, Pair, existing
from data.loading.datamodule import DataModule
from data.loading.one_size import resized
from data.sets.folder import split
from data.sets.photos import listed

FLIPS = ("vertical_flip", "horizontal_flip", "transpose")  # a generator would draw what any other augmentation does


class FolderImages:
    """The source that conf/data/folder.yaml describes, for generation: images directly in the folder or in images/,
    or either in train/, val/ and test/.

    of_masks  options that concern labels, and so nothing here
    """

    def __init__(
        self,
        root: str | None,
        val_share: float,
        test_share: float,
        split_seed: int,
        *,
        crop: int,
        batch_size: int,
        augment: dict[str, Any],
        cache: str,
        workers: int,
        on_error: str,
        seed: int,
        **of_masks: Any,
    ) -> None:
        self.finder, top = Finder(on_error, "skip"), existing(root, "data.root")
        self.name, self.side = top.resolve().name, crop
        self.splits, self.notes = split(top, self._images, val_share, test_share, split_seed)
        flips = {key: augment[key] for key in FLIPS}
        self.loading: dict[str, Any] = {
            "augment": flips, "batch_size": batch_size, "cache": cache, "workers": workers, "seed": seed
        }  # fmt: skip

    def _images(self, part: Path) -> list[Pair]:
        return listed(self.finder, part / "images" if (part / "images").is_dir() else part)

    def images_of_one_size(self) -> DataModule:
        """Colour images, the square in the middle of each."""
        return resized(self.name, self.finder, self.splits, self.side, notes=self.notes, **self.loading)
