"""A layer's resolved settings in a line, for the log of a run."""

from torch import nn

from upsample.algebra.overlap import overlap


def describe(layer: nn.Module) -> str:
    """The convolutions inside an upsampler, with the taps that reach each output phase of a transposed one."""
    parts = []
    for module in layer.modules():
        if isinstance(module, nn.ConvTranspose2d):
            k, s, d = (pair[0] for pair in (module.kernel_size, module.stride, module.dilation))
            found = overlap(k, s, d)
            state = "even" if found.even else f"{found.hole_fraction:.0%} holes" if found.hole_fraction else "uneven"
            parts.append(
                f"transposed convolution, kernel {k}, stride {s}, dilation {d}, padding {module.padding[0]}, "
                f"taps per phase {' '.join(map(str, found.taps))} ({state})"
            )
        elif isinstance(module, nn.Conv2d):
            parts.append(f"convolution, kernel {module.kernel_size[0]}, {module.padding_mode} padding")
    return "; ".join(parts) or "nothing to learn"
