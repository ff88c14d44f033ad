"""Images with masks in files, ready to be drawn from."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.contract import Known
from data.files.finding import Finder
from data.forms import IGNORED, LabelledFiles, LabelledOptions, ValuedOptions
from data.loading.augment import Augment
from data.loading.cache import Cache
from data.loading.loaded import Images, LabelledImages, Loaded
from data.loading.sampler import balanced
from data.loading.samples import FileSamples, split_samples, stored
from data.loading.statistics import Counts, balanced_weights

COUNTED = 500  # training images at most in which mean, deviation and classes are counted


def load(files: LabelledFiles, options: LabelledOptions, finder: Finder, seed: int, known: Known | None) -> Loaded:
    """Check and cache all files, count classes and moments in training images.

    Raises ValueError where a class never occurs in them, unless that is asked for, and for a split without a class.
    """
    version = f"{files.colours}{files.numbers()}{files.ignored}" + ("" if files.member is None else f"{files.member}")
    found = stored(
        files.name,
        files.splits,
        finder,
        options,
        files.look,
        files.decode,
        version,
        known,
        wish=files.wish,
        mean=options.mean,
        planes=files.planes,
    )
    train, val, test = split_samples(found.parts, options.crops_per_image)
    kept = test.cache
    alike = len({kept.sizes[i] for part in (val, test) for i in part.indices}) == 1

    classes, counted = len(files.classes), train.indices or test.indices
    shuffled = np.random.default_rng(seed).permutation(counted)
    some = list(counted) if options.balance else shuffled[:COUNTED].tolist()
    counts = Counts(FileSamples(kept, some))
    shares = counts.shares(classes)
    notes = []
    if known is None and classes < 2 and files.planes is None:
        raise ValueError(
            f"{files.name} has one class alone, {files.classes[0]}, so there is nothing to tell apart; label another "
            "class, or the rest as a background"
        )
    if train.indices and known is None:
        notes = class_notes(files.classes, counts, len(some), len(train.indices), files.planes is not None)
        if (shares == 0).any() and len(some) < len(train.indices):
            shares = Counts(FileSamples(kept, train.indices)).shares(classes)
        refuse_absent([name for name, n in zip(files.classes, shares, strict=True) if not n], options.absent_classes)
        refuse_unlabelled({"val": val, "test": test}, files, kept)
    mean, std = moments_of(options, found.moments or counts.moments())
    labels = counts.labels[:, :classes]
    areas = labels / labels.sum(1, keepdims=True).clip(1)  # of overlapping classes: of their pixels together
    info = LabelledImages(
        files.name,
        mean,
        std,
        files.classes,
        files.palette,
        chosen_weights(options.class_weights, shares),
        IGNORED,
        files.numbers(),
        files.ignored,
        files.planes is not None,
        span=found.span,
        bands=found.bands,
    )
    floating = found.bands is not None and found.bands.floating
    return Loaded(
        info,
        train,
        val,
        test,
        augment=Augment(
            options.augment, options.crop, IGNORED, options.balance, areas.sum(0), (mean, std) if floating else None
        ),
        batch_size=options.batch_size,
        test_batch_size=options.batch_size if alike else 1,
        seed=seed,
        probability=balanced(areas.repeat(options.crops_per_image, 0), options.balance) if train.indices else None,
        workers=options.workers,
        notes=[*files.notes, *found.notes, *band_notes(info, options), *finder.notes(), *notes],
        skipped=finder.skipped,
    )


def moments_of(
    options: LabelledOptions | ValuedOptions, counted: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel: those of the configuration, else those counted. Raises ValueError."""
    for key, given in (("mean", options.mean), ("std", options.std)):
        if given is not None and len(given) != len(counted[0]):
            raise ValueError(f"data.{key} has {len(given)} numbers for images of {len(counted[0])} channels")
        if key == "std" and given is not None and min(given) <= 0:
            raise ValueError(f"data.std={given} must be numbers above 0, by which images are divided")
    return tuple(options.mean or counted[0]), tuple(options.std or counted[1])


def band_notes(info: Images, options: LabelledOptions | ValuedOptions) -> list[str]:
    """Mean and deviation of bands as they are stored, and what of data.augment they cannot have."""
    if info.bands is None:
        return []
    notes = []
    if info.bands.floating:
        each = zip(info.bands.order, info.mean, info.std, strict=True)
        notes.append("Mean and SD by band: " + ", ".join(f"{n}: {mean:.4g}, {std:.4g}" for n, mean, std in each))
    dropped = [key for key in ("saturation", "hue") if options.augment.get(key)]
    if dropped and len(info.bands.order) != 3:
        notes.append(f"Of data.augment {' and '.join(dropped)} are of colours, and left out for bands")
    return notes


def refuse_absent(absent: list[str], wish: Literal["refuse", "keep"]) -> None:
    """Raise ValueError for classes that no training image holds, unless they are wanted all the same."""
    if absent and wish == "refuse":
        raise ValueError(
            f"no training image holds {', '.join(absent[:10])}{', ...' if len(absent) > 10 else ''}, so a network "
            "cannot learn it; give it images, leave it out of the classes, or train all the same by "
            "data.absent_classes=keep"
        )


def labelled_pixels(kept: Cache, index: int) -> int:
    """How many pixels of a pair are of a class."""
    mask = kept[index][1]
    return 0 if mask is None else int((mask != IGNORED).sum())


def refuse_unlabelled(parts: dict[str, FileSamples], files: LabelledFiles, kept: Cache) -> None:
    """Raise ValueError for a split in which no pixel is of a class: there is nothing to score."""
    for split, part in parts.items():
        if part.indices and not any(labelled_pixels(kept, i) for i in part.indices):
            raise ValueError(
                f"{files.name}: no pixel of the {len(part.indices)} masks of {split} is of a class, so nothing can be "
                f"scored; correct the masks, or data.ignore_index (ignored: {', '.join(map(str, files.ignored))})"
            )


def chosen_weights(wish: Sequence[float] | Literal["equal", "balanced"], shares: NDArray[np.float64]) -> list[float]:
    """The class weights that data.class_weights asks for, given each class's share of the training pixels."""
    if wish == "equal":
        return [1.0] * len(shares)
    if wish == "balanced":
        return balanced_weights(shares)
    return [float(each) for each in wish]


def class_notes(classes: list[str], counts: Counts, counted: int, total: int, overlapping: bool) -> list[str]:
    """What was counted: classes that do not occur, pixels and images that are ignored."""
    among = f"the {total} training images" if counted == total else f"{counted} of the {total} training images"
    pixels = counts.labels[:, : len(classes)]
    absent = [name for name, n in zip(classes, pixels.sum(0), strict=True) if not n]
    void = 0 if overlapping else int((pixels.sum(1) == 0).sum())
    ignored = counts.labels[:, len(classes) :].sum() / max(1, counts.pixels)
    notes = []
    if absent:
        notes.append(f"Warning: {len(absent)} of {len(classes)} classes never occur in {among}: {', '.join(absent)}")
    if ignored > 0:
        notes.append(f"Ignored in {among}: {ignored:.1%} of the pixels")
    if void:
        notes.append(f"Warning: all pixels are ignored in {void} of {among}")
    return notes
