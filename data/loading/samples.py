"""From the files of a data set to samples: checked, cached, one list for each split."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from data.contract import Known
from data.files import bands as bands_of
from data.files.bands import Bands, Chosen, Wish
from data.files.finding import Finder, Pair
from data.files.reading import Header, Span, read_image, value_range
from data.forms import Decoded, InFiles, Read, Size
from data.loading.cache import Cache
from data.loading.crop import label_counts

COUNTED = 500  # training images at most in which the bands' mean and deviation are counted


class FileSamples(Dataset[dict[str, Any]]):
    """Pairs as {"image": (C, H, W), "mask": (H, W) uint8 or "target": (H, W) float32, "name": str}, as they are.

    indices  of the pairs in the cache
    each     so many neighbouring samples are the same pair: an epoch then takes as many random crops of it
    """

    def __init__(self, cache: Cache, indices: Sequence[int], each: int = 1) -> None:
        self.cache, self.indices, self.each = cache, indices, each

    def __len__(self) -> int:
        return self.each * len(self.indices)

    def _at(self, index: int) -> int:
        return self.indices[range(len(self))[index] // self.each]  # range: beyond the end it is an IndexError

    @property
    def looked_at(self) -> list[tuple[str, Size, dict[int, int] | None]] | None:
        """Name, size and the pixels of each label of each sample, where all were decoded before."""
        cache = self.cache
        if cache.labels is None:
            return None
        each = [self._at(index) for index in range(len(self))]
        return [(cache.pairs[at].name, cache.sizes[at], cache.labels[at]) for at in each]

    def where(self, index: int) -> str:
        """The file of a sample, in words."""
        return f"the image {self.cache.pairs[self._at(index)].image}"

    def __getitem__(self, index: int) -> dict[str, Any]:
        at = self._at(index)
        image, mask = self.cache[at]
        sample = {"image": image, "name": self.cache.pairs[at].name}
        return sample if mask is None else sample | {"mask" if mask.dtype == torch.uint8 else "target": mask}


def split_samples(parts: dict[str, FileSamples], each: int = 1) -> tuple[FileSamples, FileSamples, FileSamples]:
    """Training, validation and test samples; where data only score a network, there is nothing to train on, and what
    is scored is all there is.

    each  random crops of each training image in an epoch
    """
    test = parts["test"]
    train = parts.get("train", FileSamples(test.cache, []))
    return FileSamples(train.cache, train.indices, each), parts.get("val", test), test


@dataclass(frozen=True)
class Stored:
    """The samples of each split; the values that became 0 and 255 in files of more than 8 bits; which bands are taken,
    and their mean and deviation where these are counted, else None; and notes."""

    parts: dict[str, FileSamples]
    span: Span | None
    bands: Bands | None
    moments: tuple[tuple[float, ...], tuple[float, ...]] | None
    notes: list[str]


def stored(
    name: str,
    splits: dict[str, list[Pair]],
    finder: Finder,
    options: InFiles,
    look: Callable[[Pair], Header],
    decode: Callable[[Pair, Read], Decoded],
    version: str,
    known: Known | None = None,
    side: int | None = None,
    wish: Wish | None = None,
    mean: Sequence[float] | None = None,
    truth: torch.dtype = torch.uint8,
    planes: int | None = None,
) -> Stored:
    """Headers checked, then, where unusable files are skipped, all pixels, then cached.

    look     at the header of a pair's image; decode gives its pixels, by what reads a file. Both raise Unreadable
    version  whatever else than the files the pixels depend on
    side     pixels a side of what `decode` gives; None: as many as the image has
    wish     what is asked of bands, and the mean that is said of them; None: images are pictures of three colours
    truth    of labels, or of numbers; planes: of labels that may overlap
    """
    pairs = list(dict.fromkeys(pair for split in splits.values() for pair in split))
    headers = finder.usable(look, pairs, "Reading the headers")
    found = taken(headers, splits, finder, options, known, wish, mean)
    span: Span | None = None
    if found is None:
        span, notes = chosen_span(headers, finder, options.range, None if known is None else known.span)
        read: Read = partial(as_picture, span=span)
        notes += band_notes(headers.values())
    else:
        headers = {pair: header for pair, header in headers.items() if pair in found.having}
        notes, read = found.notes, partial(bands_of.read, bands=found.bands)
    bands = None if found is None else found.bands
    decoded: Callable[[Pair], Decoded] = partial(of_pair, decode, read)
    labels: list[dict[int, int] | None] | None = None
    if finder.on_error == "skip":
        sound = finder.usable(lambda pair: labels_of(decoded(pair)[1]), list(headers), "Checking the pixels")
        headers, labels = {pair: headers[pair] for pair in sound}, list(sound.values())
    at = {pair: i for i, pair in enumerate(headers)}
    where = {split: [at[pair] for pair in given if pair in at] for split, given in splits.items()}
    for split, places in where.items():
        if not places:
            why = f" after skipping {len(finder.skipped)}: {finder.skipped[0]}" if finder.skipped else "; give it more"
            raise ValueError(f"{name} has no usable image for {split}{why}")
    sizes = [header.upright if side is None else (side, side) for header in headers.values()]
    form = (3, False) if bands is None else (len(bands.order), bands.floating)
    version += f"{span}" if bands is None else f"{bands}"
    kept = Cache(options.cache, list(headers), sizes, decoded, version, *form, truth, planes, labels)
    parts = {split: FileSamples(kept, given) for split, given in where.items()}
    return Stored(parts, span, bands, None if found is None else found.moments, notes)


def labels_of(truth: NDArray[Any] | None) -> dict[int, int] | None:
    """How many pixels have each label that there is, None of what is no labels."""
    if truth is None or truth.dtype != np.uint8:
        return None
    counts = label_counts(truth)
    return {label: int(counts[label]) for label in np.flatnonzero(counts).tolist()}


def of_pair(decode: Callable[[Pair, Read], Decoded], read: Read, pair: Pair) -> Decoded:
    """What `decode` makes of a pair with what reads its image: a function with a name, which spawned workers can be
    sent."""
    return decode(pair, read)


def as_picture(path: Path, span: Span | None) -> tuple[NDArray[Any], None]:
    """(3, H, W) uint8 as `read_image` gives it; what a picture lacks is not known."""
    return read_image(path, span), None


def taken(
    headers: Mapping[Pair, Header],
    splits: Mapping[str, list[Pair]],
    finder: Finder,
    options: InFiles,
    known: Known | None,
    wish: Wish | None,
    mean: Sequence[float] | None,
) -> Chosen | None:
    """Which bands are taken: those of a trained network's training, which brings its own mean and deviation, else as is
    asked; None: three colours."""
    if known is not None:
        if known.bands is None:
            return None
        unit = 1 if known.bands.floating else 255
        return Chosen(
            known.bands, (tuple(x / unit for x in known.bands.fill), (1.0,) * len(known.bands.fill)), headers, []
        )
    if wish is None:
        return None
    train = [pair for pair in splits.get("train", splits["test"]) if pair in headers]
    some = np.random.default_rng(0).permutation(len(train))[:COUNTED]
    found = bands_of.chosen(headers, wish, finder, [train[i] for i in sorted(some.tolist())], mean)
    if found is not None and options.range is not None:
        raise ValueError("data.range makes 8 bits of pictures, but bands are taken as they are stored; leave it out")
    return found


def chosen_span(
    headers: Mapping[Pair, Header], finder: Finder, asked: Sequence[float] | None, known: Span | None
) -> tuple[Span | None, list[str]]:
    """The values that become 0 and 255 in files of more than 8 bits, None where there are none, and a note on them.

    asked  data.range; known: what a trained network was trained with. Without either, of 16 bits as many are taken
           as the largest value of all files needs
    """
    deep = [pair for pair, header in headers.items() if header.bits > 8]
    if not deep:
        return known, []
    if asked is not None or known is not None:
        span = (asked[0], asked[1]) if asked is not None else known
        assert span is not None
        return span, [f"Images of more than 8 bits: values from {span[0]:g} to {span[1]:g} become 0 to 255"]
    if any(headers[pair].bits > 16 for pair in deep):
        return None, []  # refused where they are read
    found = finder.usable(lambda pair: value_range(pair.image), deep, "Looking for the range of values")
    if not found:
        return None, []
    low, high = min(low for low, _ in found.values()), max(high for _, high in found.values())
    if low < 0:
        raise ValueError(
            f"images hold values from {low:g} to {high:g}, such as {deep[0].image}; say in data.range which two values "
            "are black and white"
        )
    top = next(2**bits - 1 for bits in (8, 9, 10, 11, 12, 13, 14, 15, 16) if high < 2**bits)
    return (0, top), [
        f"Images of 16 bits whose values reach {high:g}: 0 to {top} become 0 to 255; data.range=[low,high] chooses "
        "others"
    ]


def band_notes(headers: Iterable[Header]) -> list[str]:
    """What of the images is left out."""
    counts = Counter((header.bands, header.mode in ("RGBA", "LA", "La", "RGBa", "PA")) for header in headers)
    notes = []
    for (bands, alpha), count in sorted(counts.items()):
        if bands == 2 or bands > 3:
            first = "the first" if bands == 2 else "the first three"
            notes.append(f"Warning: {count} images have {bands} bands, of which {first} are used")
        if alpha:
            notes.append(f"{count} images have an alpha channel, which is left out")
    return notes
