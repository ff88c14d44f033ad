"""CIFAR-10 (Krizhevsky, 2009): 60 000 colour pictures of 32 x 32 pixels, from the batches "for Python"."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.contract import data_set
from data.forms import SquareArrays
from data.sets.published import explained

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
SIDE = 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images
FOLDER = "cifar-10-batches-py"
TRAIN, TEST = [f"data_batch_{i}" for i in range(1, 6)], "test_batch"
# All that a pickled array names. None of it runs code that a file brings.
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """Reads dicts, lists, numbers, strings and NumPy arrays. A pickle can name any function to be called while it is
    loaded; here it can name nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises pickle.UnpicklingError for whatever an array does not need."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return ADMITTED[module, name]


def read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(N, 3, 32, 32) uint8 RGB of one batch, and its labels (N,) uint8, 0 to 9. Executes nothing in it; raises
    ValueError for anything else."""
    with path.open("rb") as file:
        try:
            batch = ArraysOnly(file, encoding="latin1").load()  # written by Python 2
            pixels = batch["data"]
            if pixels.dtype != np.uint8:
                raise TypeError(f"its pixels are {pixels.dtype}")
            labels = np.array(batch["labels"])
            images = np.array(pixels.reshape(-1, 3, SIDE, SIDE))
            if labels.shape != (len(images),) or not ((labels >= 0) & (labels < len(CLASSES))).all():
                raise TypeError("its labels are not a number from 0 to 9 for each image")
            return images, labels.astype(np.uint8)
        except Exception as error:  # a malformed pickle raises nearly anything
            raise ValueError(f"{path} is no batch of CIFAR-10 ({error}); fetch it again") from None


@data_set(
    "cifar10",
    SquareArrays,
    terms="No licence stated by its authors, who ask to be cited; in use for research.",
    reads=[f"{FOLDER}/{name}" for name in (*TRAIN, TEST)],
)
def cifar10(root: str | None, download: bool) -> SquareArrays:
    """50 000 training and 10 000 test images."""
    with explained("cifar10", root, f"{FOLDER}/ (the version for Python)", download):
        assert root is not None
        folder = Path(root, FOLDER)
        if download and not folder.is_dir():
            from torchvision.datasets import cifar, utils  # here: it is slow to import

            # Not its CIFAR10(download=True), which goes on to unpickle what came.
            published = cifar.CIFAR10
            utils.download_and_extract_archive(published.url, root, filename=published.filename, md5=published.tgz_md5)
        train, labels = map(np.concatenate, zip(*(read_batch(folder / name) for name in TRAIN), strict=True))
        test, tested = read_batch(folder / TEST)
        return SquareArrays("cifar10", MEAN, STD, train, test, CLASSES, {"train": labels, "test": tested})
