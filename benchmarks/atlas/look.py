"""One architecture: what the audit says of its weights, and what a flat field then shows."""

from dataclasses import dataclass
from math import prod
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from benchmarks.atlas.architectures import Architecture
from upsample.models.audit import audit
from upsample.models.flat_field import flat_field

PERIODS = (12, 24, 48)  # along each side of what is fed; the next where borders reach the middle of the last
LARGEST = 2 * 10**6  # pixels of what is fed; nothing larger is tried
COLOURS = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), (1.0, 0.0, -1.0))
SECONDS = 600  # for one architecture


@dataclass(frozen=True)
class Finding:
    """What was found of one architecture.

    uneven, layers  upsampling layers that the audit does not call even, and all of them
    first           the first uneven one's verdict
    unknown         what the audit could not measure
    share           rms of the pattern over what the answers to colours differ by
    printed         whether the flat field shows a pattern; None: borders reach its middle
    period, size    of the grid, and of what was fed
    failed          why there is nothing of all that
    """

    uneven: int = 0
    layers: int = 0
    first: str = ""
    unknown: str = ""
    share: float = 0.0
    printed: bool | None = False
    period: int = 0
    size: tuple[int, ...] = ()
    failed: str = ""

    @property
    def agree(self) -> bool | None:
        """Whether the audit finds a reason where the flat field shows a pattern, and only there; None: not known."""
        if self.failed or self.printed is None or (self.unknown and not self.uneven):
            return None
        return bool(self.uneven) == self.printed


def look(row: Architecture) -> Finding:
    """Audit and measure one architecture, in this process."""
    torch.manual_seed(0)
    model, example = row.build().eval(), row.example()
    channels = row.shape[1]
    colours = torch.tensor(COLOURS)[:, [at % 3 for at in range(channels)]]
    report = audit(model, example)
    layers = [layer for layer in report.layers if layer.kind == "upsampling"]
    uneven = [layer for layer in layers if layer.mend]
    unknown = [f"{layer.what}: {layer.verdict}" for layer in layers if "not measured" in layer.verdict]
    for periods in PERIODS:
        seen = flat_field(model, example, colours, periods)
        found = Finding(
            len(uneven),
            len(layers),
            f"{uneven[0].what}: {uneven[0].verdict}" if uneven else "",
            "; ".join([*unknown, *report.unseen][:1]),
            seen.pattern / seen.deviation if seen.deviation else 0.0,
            None if seen.drowned else seen.shown,
            seen.period,
            seen.size,
        )
        settled = found.printed is not None and found.agree is not False
        if settled or prod(found.size) * 2 ** len(found.size) > LARGEST:
            break
    return found


def look_apart(row: Architecture) -> Finding:
    """The same in a process of its own, which may fail or take too long."""
    here, there = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_send, args=(row, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(SECONDS) else Finding(failed=f"it took more than {SECONDS} s")
    except EOFError:
        return Finding(failed="its process ended, of too much memory perhaps")
    finally:
        process.kill()
        process.join()


def _send(row: Architecture, to: Connection) -> None:
    torch.set_num_threads(1)
    try:
        to.send(look(row))
    except Exception as error:  # whatever another library's code raises
        to.send(Finding(failed=(str(error).strip().splitlines() or [type(error).__name__])[0][:160]))
