"""Cell membranes in electron microscopy (ISBI challenge 2012; Cardona et al., 2010): the U-Net paper's task."""

from data.contract import data_set
from data.files.finding import Finder, existing
from data.forms import LabelledFiles
from data.splits import folds

CLASSES, PALETTE = ["membrane", "cell"], [(40, 40, 120), (230, 220, 150)]
FOLDS = 5


@data_set(
    "membrane",
    LabelledFiles,
    terms="Data of the ISBI 2012 challenge: research use, its authors to be cited.",
    reads=["image", "label"],
)
def membrane(find: Finder, root: str | None, fold: int) -> LabelledFiles:
    """root/image/N.png and root/label/N.png, slice N of one stack: 0 is membrane, 255 cell.

    Tested on fold `fold` of five runs of neighbouring slices. Every eighth of the other slices only validates, so
    that no slice that is tested chooses the weights.
    """
    top = existing(root, "data.root")
    pairs = find.pairs(existing(top / "image", "the slices"), existing(top / "label", "their masks"))
    pairs.sort(key=lambda pair: (len(pair.name), pair.name))  # 9 before 10
    rest, test = folds(pairs, fold, FOLDS)
    splits = {"train": [pair for i, pair in enumerate(rest) if i % 8 != 4], "val": rest[4::8], "test": test}
    note = f"Fold {fold} of {FOLDS} (data.fold) is tested: slices {test[0].name} to {test[-1].name}"
    return LabelledFiles("membrane", CLASSES, PALETTE, splits, labels=[0, 255], ignored=(), notes=[note])
