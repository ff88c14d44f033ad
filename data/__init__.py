"""Where pixels come from. Knows nothing of networks, tasks or Hydra; importing it imports no torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.contract import Known, available, choose, data_set, find, fingerprint_of
from data.forms import (
    Kind,
    LabelledFiles,
    PairFiles,
    PhotoFiles,
    SquareArrays,
    SquareFiles,
    ValuedFiles,
    ValuedWindows,
    Windows,
)

if TYPE_CHECKING:
    from data.loading.datamodule import DataModule
    from data.loading.loaded import Loaded

__all__ = ["Known", "available", "build", "check_section", "data_set", "fingerprint_of", "load"]


def check_section(config: Mapping[str, Any]) -> None:
    """Raise ValueError, in one sentence, for what is wrong with a configuration's `data` section as far as can be told
    at once: names, keys, types, ranges, a folder that is not there. Needs no torch."""
    choose(config)


def load(config: Mapping[str, Any], kind: Kind, seed: int, known: Known | None = None) -> "Loaded":
    """The data of a `kind` that a configuration's `data` section names, ready to be drawn from. Raises ValueError.

    known  what a trained network knows, where the data are to score it
    """
    from data.loading import labelled, photos, squares, valued, windows  # here: they need torch
    from data.reduced import pairs

    chosen, options = choose(config)
    found, shared, finder = find(chosen, kind, options, known)
    match found:
        case LabelledFiles():
            return labelled.load(found, shared, finder, seed, known)
        case ValuedFiles():
            return valued.load(found, shared, finder, seed, known)
        case PhotoFiles():
            return photos.load(found, shared, finder, seed, known)
        case PairFiles():
            return pairs.load(found, shared, finder, seed, known)
        case SquareFiles():
            return squares.load_files(found, shared, finder, seed, known)
        case SquareArrays():
            return squares.load_arrays(found, shared, seed)
        case Windows():
            return windows.load(found, shared, kind, seed)
        case ValuedWindows():
            return windows.load_valued(found, shared, seed)


def build(config: Mapping[str, Any], kind: Kind, seed: int, known: Known | None = None) -> "DataModule":
    """As `load`, behind Lightning's loaders."""
    from data.loading.datamodule import DataModule  # here: Lightning is slow to import

    return DataModule(load(config, kind, seed, known))
