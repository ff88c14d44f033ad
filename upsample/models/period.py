"""The period of a network's grid, read off the sizes of what its forward makes."""

from math import lcm, prod

from upsample.models.rearranged import rearranged
from upsample.models.tracing import Call, Trace, Value


def period_of(followed: Trace) -> int:
    """Output pixels along an axis after which a network does the same again: 8 for a U-Net of three levels.

    Of every call that enlarges, the output is some whole number of times as large as what is enlarged; the period is
    the least common multiple of these numbers, and where several axes differ, of theirs. What is enlarged from a
    single pixel, or by no whole number, is left out. 1 where nothing is enlarged. Raises ValueError where the forward
    could not be followed.
    """
    output = _output(followed)
    found = 1
    for source in _enlarged(followed):
        for large, small in zip(output.shape[2:], source, strict=False):
            if small > 1 and large % small == 0 and len(source) == len(output.shape) - 2:
                found = lcm(found, large // small)
    return found


def enlarges(followed: Trace) -> bool:
    """Whether anything is enlarged, by a whole number or not."""
    return bool(_enlarged(followed))


def scale_of(followed: Trace) -> int:
    """Output pixels per input pixel along an axis. Raises ValueError where the forward could not be followed."""
    output = _output(followed)
    if len(output.shape) != len(followed.size) or any(
        o % i for o, i in zip(output.shape[2:], followed.size[2:], strict=True)
    ):
        return 1
    return max(1, *(o // i for o, i in zip(output.shape[2:], followed.size[2:], strict=True)))


def _output(followed: Trace) -> Value:
    if not followed.outputs:
        reasons = "; ".join(dict.fromkeys(why for _, _, why in followed.unseen))
        raise ValueError(f"the period is not known, since the forward could not be followed ({reasons}); give it")
    return max(followed.outputs, key=lambda value: prod(value.shape))


def _enlarged(followed: Trace) -> list[tuple[int, ...]]:
    """The spatial sizes of what is enlarged."""
    sizes = []
    for call in followed.calls:
        if _enlarges(call):
            given: Value = call.given["input" if call.op == "convolution" else "self"]
            sizes.append(given.shape[2:])
    for each in rearranged(followed):
        axes = each.order.dim() - 1
        made = each.call.results[0].shape
        large = made[2:] if made[1] == len(each.order) else made[1:-1]
        sizes.append(tuple(n // s for n, s in zip(large[-axes:], each.order.shape[1:], strict=True)))
    return sizes


def _enlarges(call: Call) -> bool:
    if call.op == "convolution":
        return bool(call.given["transposed"]) and max(call.given["stride"]) > 1
    if call.op == "pixel_shuffle" or call.op.startswith("max_unpool"):
        return True
    if "upsample_" in call.op:
        return max(call.results[0].shape[2:]) > max(call.given["self"].shape[2:])
    return False
