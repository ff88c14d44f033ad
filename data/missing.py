"""What is said when a published data set is not where it should be, or cannot be fetched."""

from collections.abc import Iterator
from contextlib import contextmanager


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
        if download:
            raise ValueError(
                f"data.download=true could not bring {name} to data.root={root} ({error}); put {wanted} there yourself"
            ) from None
        raise ValueError(f"data.root={root} does not hold {name} ({error}); put {wanted} there{mend}") from None
