"""How long `python -m upsample` takes to list, explain and audit."""

import tempfile

from benchmarks.commands.process import run
from benchmarks.measure import Line

# torchvision's FCN on a ResNet-101: 54 million parameters with its auxiliary head, 52 without.
LARGE = (
    *("torchvision.models.segmentation:fcn_resnet101", "--args"),
    '{"weights": null, "weights_backbone": null, "aux_loss": true}',
)
TARGETS = {("list",): 3.0, ("explain", "deconv"): 5.0, ("audit", *LARGE): 10.0}


def tools(rounds: int) -> list[Line]:
    """13: seconds from the start of each process to its end, in turns, after one that does not count."""
    with tempfile.TemporaryDirectory() as folder:
        _, *times = [[run(("-m", "upsample", *words), folder) for words in TARGETS] for _ in range(rounds + 1)]
    lines = []
    for words, found in zip(TARGETS, zip(*times, strict=True), strict=True):
        note = "seconds; of a network of 54 million parameters" if words[0] == "audit" else "seconds"
        what = f"python -m upsample {' '.join(words[:2])}"
        lines.append(Line(what, "", found, TARGETS[words], False, note))
    return lines
