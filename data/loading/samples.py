"""From the files of a data set to samples: checked, cached, one list for each split."""

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import Dataset

from data.files.finding import Finder, Pair
from data.forms import Decoded, Size
from data.loading.cache import Cache


class FileSamples(Dataset[dict[str, Any]]):
    """Pairs as {"image": (3, H, W) uint8, "mask": (H, W) uint8, "name": str}, as they are.

    indices  of the pairs in the cache
    each     so many neighbouring samples are the same pair: an epoch then takes as many random crops of it
    """

    def __init__(self, cache: Cache, indices: Sequence[int], each: int = 1) -> None:
        self.cache, self.indices, self.each = cache, indices, each

    def __len__(self) -> int:
        return self.each * len(self.indices)

    def _at(self, index: int) -> int:
        return self.indices[range(len(self))[index] // self.each]  # range: beyond the end it is an IndexError

    def where(self, index: int) -> str:
        """The file of a sample, in words."""
        return f"the image {self.cache.pairs[self._at(index)].image}"

    def __getitem__(self, index: int) -> dict[str, Any]:
        at = self._at(index)
        image, mask = self.cache[at]
        sample = {"image": image, "name": self.cache.pairs[at].name}
        return sample if mask is None else sample | {"mask": mask}


def stored(
    name: str,
    splits: dict[str, list[Pair]],
    finder: Finder,
    size: Callable[[Pair], Size],
    decode: Callable[[Pair], Decoded],
    cache: str,
    version: str,
) -> dict[str, FileSamples]:
    """The samples of each split: headers checked, then, where unusable files are skipped, all pixels, then cached.

    size     height and width of what `decode` will give, from headers; both raise Unreadable
    version  whatever else than the files the pixels depend on
    """
    pairs = list(dict.fromkeys(pair for split in splits.values() for pair in split))
    sizes = finder.usable(size, pairs, "Reading the headers")
    if finder.on_error == "skip":
        sound = finder.usable(lambda pair: decode(pair) is not None, list(sizes), "Checking the pixels")
        sizes = {pair: sizes[pair] for pair in sound}
    at = {pair: i for i, pair in enumerate(sizes)}
    where = {split: [at[pair] for pair in found if pair in at] for split, found in splits.items()}
    for split, found in where.items():
        if not found:
            why = f" after skipping {len(finder.skipped)}: {finder.skipped[0]}" if finder.skipped else "; give it more"
            raise ValueError(f"{name} has no usable image for {split}{why}")
    kept = Cache(cache, list(sizes), list(sizes.values()), decode, version)
    return {split: FileSamples(kept, found) for split, found in where.items()}
