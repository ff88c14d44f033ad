"""CelebA (Liu et al., 2015): 202 599 faces, aligned, 178 x 218 pixels."""

from pathlib import Path

from data.contract import data_set
from data.files.finding import Pair
from data.forms import SquareFiles
from data.sets.published import explained

SPLIT_OF_CODE = {"0": "train", "1": "val", "2": "test"}
LIST = "list_eval_partition.txt"


@data_set(
    "celeba",
    SquareFiles,
    terms="Non-commercial research only; the images are not the authors' property.",
    reads=["celeba/img_align_celeba", f"celeba/{LIST}"],
)
def celeba(root: str | None, download: bool) -> SquareFiles:
    """The official splits: 162 770 training, 19 867 validation and 19 962 test images."""
    splits: dict[str, list[Pair]] = {split: [] for split in SPLIT_OF_CODE.values()}
    with explained("celeba", root, f"celeba with img_align_celeba and {LIST}", download):
        assert root is not None
        top = Path(root, "celeba")
        if download and not (top / "img_align_celeba").is_dir():
            from torchvision.datasets import CelebA as Published  # here: it is slow to import

            Published(root, download=True)
        lines = (top / LIST).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        match line.split():
            case [name, "0" | "1" | "2" as code]:
                splits[SPLIT_OF_CODE[code]].append(Pair(Path(name).stem, top / "img_align_celeba" / name))
            case _:
                raise ValueError(
                    f"line {number} of {top / LIST} is no name and 0, 1 or 2, but '{line}'; fetch it again"
                )
    return SquareFiles("celeba", splits)
