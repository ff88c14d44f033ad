"""Oxford-IIIT Pets (Parkhi et al., 2012): cats and dogs, cut out by trimaps."""

from data.contract import data_set
from data.files.finding import Finder
from data.forms import LabelledFiles
from data.sets.published import explained, pairs

CLASSES, PALETTE = ["background", "pet"], [(40, 40, 60), (240, 170, 60)]
VALIDATION_OF_TEN = 9  # every tenth of the official trainval list is for validation


@data_set(
    "oxford_pets",
    LabelledFiles,
    terms="Creative Commons Attribution-ShareAlike 4.0; the photographs stay their owners'.",
    reads=["oxford-iiit-pet/images", "oxford-iiit-pet/annotations"],
)
def oxford_pets(find: Finder, root: str | None, download: bool) -> LabelledFiles:
    """3680 images to train and validate on, 3669 of the official test split."""
    with explained("oxford_pets", root, "oxford-iiit-pet with images and annotations", download):
        from torchvision.datasets import OxfordIIITPet  # here: it is slow to import

        found = {split: OxfordIIITPet(root, split, "segmentation", download=download) for split in ("trainval", "test")}
    trainval, test = (pairs(found[split]._images, found[split]._segs) for split in ("trainval", "test"))
    splits = {
        "train": [pair for i, pair in enumerate(trainval) if i % 10 != VALIDATION_OF_TEN],
        "val": trainval[VALIDATION_OF_TEN::10],
        "test": test,
    }
    # Of a trimap: 1 pet, 2 background, 3 the seam between them, which the authors left unclassified.
    return LabelledFiles("oxford_pets", CLASSES, PALETTE, splits, labels=[2, 1], ignored=(3,))
