"""Where pixels come from. Knows nothing of networks, tasks or Hydra."""

from collections.abc import Callable
from functools import partial
from typing import Any

from data.loading.augment import Augment
from data.loading.datamodule import DataModule, Images, LabelledImages
from data.loading.labelled import Labelled, LabelledFiles
from data.sets.ade20k import ade20k
from data.sets.camvid import camvid
from data.sets.celeba import CelebA
from data.sets.cifar10 import CIFAR10
from data.sets.cityscapes import cityscapes
from data.sets.earth import Earth
from data.sets.folder import folder
from data.sets.folder_images import FolderImages
from data.sets.membrane import membrane
from data.sets.mnist import MNIST, FashionMNIST
from data.sets.oxford_pets import oxford_pets
from data.sets.photos import DIV2K, Photos
from data.sets.voc import sbd, voc
from plumbing.options import check_options

__all__ = ["Augment", "DataModule", "Images", "LabelledImages", "build", "kinds"]

# A source is built from its configuration and a seed. It has a method for each kind of data it can give, returning
# a DataModule: `labelled_images` for segmentation, `images_of_one_size` for generation, and for super-resolution
# `high_resolution_images`, each whole where the source has whole ones.
SOURCES: dict[str, type] = {
    "earth": Earth,
    "photos": Photos,
    "div2k": DIV2K,
    "mnist": MNIST,
    "fashion_mnist": FashionMNIST,
    "cifar10": CIFAR10,
    "celeba": CelebA,
    "folder": FolderImages,
}
# A labelled set that lies in files needs no source of its own, only a function that lists them.
LABELLED: dict[str, Callable[..., LabelledFiles]] = {
    "folder": folder,
    "camvid": camvid,
    "membrane": membrane,
    "oxford_pets": oxford_pets,
    "voc": voc,
    "sbd": sbd,
    "cityscapes": cityscapes,
    "ade20k": ade20k,
}

KINDS = ("labelled_images", "high_resolution_images", "images_of_one_size")


def sources(kind: str) -> dict[str, Callable[..., Any]]:
    """What gives data of a kind, by name."""
    able: dict[str, Callable[..., Any]] = {key: source for key, source in SOURCES.items() if hasattr(source, kind)}
    if kind == "labelled_images":
        able |= {key: partial(Labelled, describe) for key, describe in LABELLED.items()}
    return able


def kinds(name: str) -> list[str]:
    """The kinds of data that a name stands for. Raises ValueError where there is no such name."""
    if not isinstance(name, str) or name not in SOURCES | LABELLED:
        raise ValueError(f"data.name is '{name}', which does not exist; choose from {', '.join(SOURCES | LABELLED)}")
    return [kind for kind in KINDS if name in sources(kind)]


def build(config: dict[str, Any], kind: str, seed: int) -> DataModule:
    """Build the data of a `kind` that a configuration's `data` section names. Raises ValueError in one sentence."""
    options = dict(config)
    name = options.pop("name", None)
    able = sources(kind)
    if kind not in kinds(name):
        raise ValueError(f"data={name} has no {kind.replace('_', ' ')}; choose from {', '.join(able)}")
    check_options("data", able[name], options, given=("describe", "seed"))
    return getattr(able[name](seed=seed, **options), kind)()
