"""Images with a number for each pixel in files, ready to be drawn from."""

import numpy as np
import torch

from data.contract import Known
from data.files.finding import Finder
from data.forms import ValuedFiles, ValuedOptions
from data.loading.augment import Augment
from data.loading.labelled import band_notes, moments_of
from data.loading.loaded import Loaded, ValuedImages
from data.loading.samples import FileSamples, split_samples, stored
from data.loading.statistics import Counts, values_of

COUNTED = 500  # training images at most in which mean and deviation are counted


def load(files: ValuedFiles, options: ValuedOptions, finder: Finder, seed: int, known: Known | None) -> Loaded:
    """Check and cache all files, count moments in training images. Raises ValueError where none has a value."""
    found = stored(
        files.name,
        files.splits,
        finder,
        options,
        files.look,
        files.decode,
        f"values {files.nodata}",
        known,
        wish=files.wish,
        mean=options.mean,
        truth=torch.float32,
    )
    train, val, test = split_samples(found.parts, options.crops_per_image)
    counted = train.indices or test.indices
    some = FileSamples(test.cache, np.random.default_rng(seed).permutation(counted)[:COUNTED].tolist())
    values, without = values_of(some, files.unit)
    notes = [f"Values from {values.low:.4g} to {values.high:.4g} {values.unit}, mean {values.mean:.4g}".rstrip()]
    if without:
        notes.append(f"Without a value, neither trained nor scored: {without:.1%} of the pixels")
    mean, std = moments_of(options, found.moments or Counts(some).moments())
    info = ValuedImages(files.name, mean, std, values, span=found.span, bands=found.bands)
    floating = found.bands is not None and found.bands.floating
    alike = len({test.cache.sizes[i] for part in (val, test) for i in part.indices}) == 1
    return Loaded(
        info,
        train,
        val,
        test,
        augment=Augment(options.augment, options.crop, moments=(mean, std) if floating else None, beyond=True),
        batch_size=options.batch_size,
        test_batch_size=options.batch_size if alike else 1,
        seed=seed,
        workers=options.workers,
        notes=[*files.notes, *found.notes, *band_notes(info, options), *finder.notes(), *notes],
        skipped=finder.skipped,
    )
