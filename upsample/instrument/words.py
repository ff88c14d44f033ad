"""Verdicts in words. "None shown" has a limit beside it; what was not measured says why, and is never called even."""

from upsample.instrument.coherence import MINIMUM_IMAGES
from upsample.instrument.outputs import OutputResult
from upsample.instrument.shifts import ShiftResult

NOTHING_SEEN = "not measured"


def number(value: float) -> str:
    """Two digits that count, without an exponent: 0.019, 1.8, 23."""
    if value == 0:
        return "0"
    text = f"{value:.2g}"
    return f"{float(text):.10f}".rstrip("0").rstrip(".") if "e" in text else text


def percent(share: float) -> str:
    """A share as 1.8 %."""
    return f"{number(100 * share)} %"


def verdict(result: ShiftResult | OutputResult, unit: str) -> str:
    """The fixed pattern of a result in a sentence; unit is the output's own, such as "logits" or "grey levels".

    >>> verdict(ShiftResult(8, 8, 64, 0, 5, 99, [], "needs at least 2 images of at least 99 px"), "logits")
    'not measured: needs at least 2 images of at least 99 px'
    """
    if isinstance(result, ShiftResult) and result.reason:
        return f"{NOTHING_SEEN}: {result.reason}"
    if result.pattern is None or result.deviation is None:
        assert isinstance(result, OutputResult)
        return f"{NOTHING_SEEN}: {result.unmeasured[min(result.unmeasured)]}"  # what asks for least
    found = result.pattern
    if not found.tested:
        return f"{NOTHING_SEEN}: needs at least {MINIMUM_IMAGES} images with any detail, and saw {found.images}"
    if not found.shown:
        return f"none shown (below {number(found.limit.max().item())} {unit})"
    rms, _, high = found.overall.tolist()
    # Images may agree on one that is too weak for its size to be told; then the end of the interval is.
    most, size = ("", rms) if rms else ("at most ", high)
    parts = [f"fixed pattern of {most}{number(size)} {unit}"]
    worst, whole = found.worst(result.deviation), result.deviation.square().mean().sqrt().item()
    if worst is not None and whole:
        channel = f" ({percent(worst[1])} in {result.channels[worst[0]]})" if len(result.channels) > 1 else ""
        parts.append(f"{most}{percent(size / whole)} of SD{channel}")
    if isinstance(result, ShiftResult) and result.pattern_moves is not None:
        parts.append(f"moves {percent(result.pattern_moves)} of the pixels")
    return ", ".join([*parts, f"period {found.period}"])


def content(result: ShiftResult, unit: str) -> str:
    """The content-locked error of a result in a sentence."""
    if result.content_interval is None or result.deviation is None:
        return f"{NOTHING_SEEN}: {result.reason}"
    rms, low, high = (number(value) for value in result.content_interval.tolist())
    text = f"content-locked error of {rms} {unit} ({low} to {high})"
    if whole := result.deviation.square().mean().sqrt().item():
        text += f", {percent(result.content_interval[0].item() / whole)} of SD"
    if result.shift_moves is not None:
        text += f"; {percent(result.shift_moves)} of the pixels change class when the image shifts"
    return text
