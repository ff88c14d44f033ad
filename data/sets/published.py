"""What published data sets share: how torchvision lists them, and what is said where they are missing."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.files.finding import Pair

VAL_IS_TEST = "the labels of the official test split are not public, so the validation split is tested on as well"


@contextmanager
def explained(name: str, root: str | None, wanted: str, download: bool | None) -> Iterator[None]:
    """Turn what is raised while a data set is looked for (torchvision's RuntimeError, a missing file) into one
    sentence: what to put where, or which override fetches it.

    wanted    the files and folders that must lie in root, as published
    download  data.download, or None where no tool may fetch the set
    """
    mend = "" if download is None else ", or set data.download=true to fetch it there"
    if root is None:
        raise ValueError(f"data.root is not set; for data={name} name the folder that holds {wanted}{mend}")
    try:
        yield
    except (RuntimeError, OSError, ImportError) as error:
        why = " ".join(str(error).split())
        if download:
            raise ValueError(
                f"data.download=true could not bring {name} to data.root={root} ({why}); put {wanted} there yourself"
            ) from None
        raise ValueError(f"data.root={root} does not hold {name} ({why}); put {wanted} there{mend}") from None


def pairs(images: Iterable[str | Path], masks: Iterable[str | Path]) -> list[Pair]:
    """Images and their masks as torchvision's data sets list them."""
    return [Pair(Path(image).stem, Path(image), Path(mask)) for image, mask in zip(images, masks, strict=True)]
