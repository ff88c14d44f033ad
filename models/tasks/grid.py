"""What the test of any task says of the pattern that its network's grid prints."""

from typing import Any

from upsample.instrument.outputs import OutputResult
from upsample.instrument.shifts import ShiftResult
from upsample.instrument.words import content, verdict


def told(result: ShiftResult | OutputResult, unit: str, name: str = "test") -> dict[str, Any]:
    """A measured pattern as keys of metrics.json: numbers under `test/grid/`, and sentences, `test/pattern` and, where
    the input was shifted, `test/content`.

    unit  of the output: "logits", "grey levels"
    """
    sentences = {f"{name}/pattern": verdict(result, unit)}
    if isinstance(result, ShiftResult):
        sentences[f"{name}/content"] = content(result, unit)
    return {f"{name}/grid/{key}": value for key, value in result.scores().items()} | sentences
