"""Why the audit and the flat field disagree on an architecture, a sentence each, by "library: name"."""

EXPLAINED = {
    "MONAI: BasicUNet, upsample=pixelshuffle, 2-D": (
        "the audit judges each layer by itself: biases differ from phase to phase, and the box blur that MONAI puts "
        "after its pixel shuffle takes the pattern away again"
    )
}
