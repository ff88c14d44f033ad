"""Weights trained elsewhere, renamed to load here."""

from torch import Tensor

# torchvision's name to ours, in `DeepLab(version=3)` with a `ResNet`: the first that matches the start counts.
DEEPLABV3 = {
    "backbone.": "encoder.",
    "classifier.0.convs.4.1.": "context.0.pooled.1.0.",  # after the pooling: convolution and norm
    "classifier.0.convs.4.2.": "context.0.pooled.1.1.",
    "classifier.0.convs.": "context.0.branches.",
    "classifier.0.project.": "context.0.project.0.",
    "classifier.1.": "context.1.0.",
    "classifier.2.": "context.1.1.",
    "classifier.4.": "context.2.",
}


def deeplabv3_from_torchvision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of torchvision's `deeplabv3_resnet50` for
    `DeepLab(ResNet(3, "resnet50", output_stride=8), classes, bilinear, version=3, steps=[8])`.

    Both then compute the same. The auxiliary classifier, which only training uses, is left out. torchvision's
    trained weights expect images normalised by mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225).
    Raises ValueError for a tensor that such a network does not have.
    """
    renamed = {}
    for name, tensor in weights.items():
        if name.startswith("aux_classifier."):
            continue
        theirs = next((start for start in DEEPLABV3 if name.startswith(start)), None)
        if theirs is None:
            raise ValueError(f"'{name}' is no tensor of torchvision's deeplabv3_resnet50")
        renamed[DEEPLABV3[theirs] + name.removeprefix(theirs)] = tensor
    return renamed
