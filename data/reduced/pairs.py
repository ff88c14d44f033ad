"""Pairs of large images and the small ones that a network is to make them of, ready to be drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.augment_options import flips_alone
from data.contract import Known
from data.files.finding import Finder, Pair
from data.files.reading import Header, Unreadable, read_header
from data.forms import PairFiles, PhotoOptions
from data.loading.augment import Augment
from data.loading.cache import Cache
from data.loading.loaded import Loaded, ReducedImages
from data.loading.photos import load_images, whole_image
from data.loading.samples import FileSamples, stored
from plumbing.options import OptionError

WORDS = "as they come, each with its large one"


@dataclass(frozen=True)
class PairsFit:
    """The header of a large image. Raises Unreadable where its small one is of another size than the scale says, or
    where a training image is smaller than a crop.

    low  the small image of each large one
    """

    low: Mapping[Pair, Pair]
    scale: int
    trained_on: frozenset[Pair]
    crop: int

    def __call__(self, pair: Pair) -> Header:
        header, small = read_header(pair.image), read_header(self.low[pair].image)
        height, width = header.upright
        fits = height // self.scale, width // self.scale
        if fits != small.upright:
            raise Unreadable(
                f"{self.low[pair].image} has {small.upright[0]} x {small.upright[1]} pixels, but {pair.image} of "
                f"{height} x {width} over {self.scale} makes {fits[0]} x {fits[1]}; set model.scale to that of the "
                "pairs, or remove the pair"
            )
        if pair in self.trained_on and self.crop > min(height, width):
            raise Unreadable(
                f"data.crop={self.crop} does not fit {pair.image} of {height} x {width} pixels; choose a crop from "
                f"{self.scale} to {min(height, width)} or remove the pair"
            )
        return header


def header_of(pair: Pair) -> Header:
    """The header of an image."""
    return read_header(pair.image)


class PairedSamples(FileSamples):
    """Samples as they are, and of each "low", its small image, (3, h, w) uint8.

    low  small images; at: where in them that of each pair is
    """

    def __init__(self, samples: FileSamples, low: Cache, at: Mapping[Pair, int]) -> None:
        super().__init__(samples.cache, samples.indices, samples.each)
        self.low, self.at = low, at

    def __getitem__(self, index: int) -> dict[str, Any]:
        return super().__getitem__(index) | {"low": self.low[self.at[self.cache.pairs[self._at(index)]]][0]}


class PairedCrops(Augment):
    """Cuts the same place out of "image" (C, H, W) and of "low" (C, H/scale, W/scale), and turns both alike."""

    def __init__(self, flips: dict[str, Any], size: int, scale: int) -> None:
        super().__init__(flips, size)
        self.scale = scale

    def __call__(self, sample: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
        """See the class."""
        side = self.size // self.scale
        top, left = (int(random.integers(length - side, endpoint=True)) for length in sample["low"].shape[-2:])
        drawn = self._draw(random)[None]
        done = dict(sample)
        for key, times in (("image", self.scale), ("low", 1)):
            rows, columns = (slice(times * at, times * (at + side)) for at in (top, left))
            cut = sample[key][None, :, rows, columns]
            done[key] = self.finish({"image": cut, "augment": drawn})["image"][0].contiguous()
        return done


def scale_of(files: PairFiles) -> int:
    """How many times larger the first image is than its small one, where nobody says."""
    pair, small = next(iter(files.low.items()))
    return max(1, round(read_header(pair.image).upright[0] / read_header(small.image).upright[0]))


def load(files: PairFiles, options: PhotoOptions, finder: Finder, seed: int, known: Known | None) -> Loaded:
    """Check and cache both images of all pairs; training takes random crops, validation and test take whole images."""
    scale = files.scale or scale_of(files)
    if options.crop % scale:
        raise OptionError(f"data.crop={options.crop} is no multiple of the scale {scale}; choose one, as {48 * scale}")
    flips, others = flips_alone(options.augment)
    if others:
        raise OptionError("pairs are mirrored and transposed alone; choose data/augment=symmetries or none")
    look = PairsFit(files.low, scale, frozenset(files.splits.get("train", [])), options.crop)
    found = stored(files.name, files.splits, finder, options, look, whole_image, "", known)
    large = found.parts["test"].cache.pairs
    small = stored(
        files.name,
        {"test": [files.low[pair] for pair in large]},
        finder,
        options,
        header_of,
        whole_image,
        "",
        None if found.span is None else Known(span=found.span),  # 16 bits become 8 of both alike
    )
    cache = small.parts["test"].cache
    places = {pair: i for i, pair in enumerate(cache.pairs)}
    at = {pair: places[files.low[pair]] for pair in large if files.low[pair] in places}
    for split, part in found.parts.items():
        part.indices = [i for i in part.indices if large[i] in at]
        if not part.indices:
            raise ValueError(f"{files.name} has no usable pair for {split}: {finder.skipped[0]}")
    crops = PairedCrops(flips, options.crop, scale)
    loaded = load_images(files.name, found, options, finder, seed, crops, options.crops_per_image, notes=files.notes)
    loaded.train, loaded.val, loaded.test = (
        PairedSamples(samples, cache, at) if isinstance(samples, FileSamples) else samples
        for samples in (loaded.train, loaded.val, loaded.test)
    )
    info = loaded.info
    loaded.info = ReducedImages(info.name, info.mean, info.std, WORDS, span=info.span)
    return loaded
