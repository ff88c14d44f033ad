"""A GAN that has stopped learning without an error: it is said once, and kept for the run's metrics."""

from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from plumbing.messages import say

WON, STEPS = 0.01, 100  # a discriminator's loss below this, for so many steps in a row, has nothing left to teach
# Before so many steps a generator's images are all alike, as it has learnt nothing yet.
COLLAPSED = 0.1  # of the distance between real images
COMPARED = 64  # images
ADVICE = (
    "lower task.lr, or choose model=sngan, or of dcgan set model.spectral_norm=true, or task.r1=1 with "
    "model.batch_norm=false"
)


def spread(images: Tensor) -> float:
    """The mean distance between the first of some images (N, C, H, W), in the root of their squared units."""
    return torch.pdist(images[:COMPARED].flatten(1).float()).mean().item()


class GANWatch(Callback):
    """Says that the discriminator has won or that samples have collapsed; `sentences` keeps what was said.

    bounded  whether the discriminator's loss ends at 0, where it tells all images apart; WGAN's does not
    """

    def __init__(self, bounded: bool) -> None:
        self.bounded, self.won = bounded, torch.tensor(0)  # steps in a row, on the device
        self.sentences: dict[str, str] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"won": int(self.won), "sentences": dict(self.sentences)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.won, self.sentences = torch.tensor(state["won"]), state["sentences"]

    def see_loss(self, loss: Tensor, step: int) -> None:
        """Count the discriminator's loss after a step, a scalar; the count is looked at once in a while."""
        self.won = torch.where(loss.detach() < WON, self.won.to(loss.device) + 1, 0)
        if self.bounded and step % STEPS == 0 and int(self.won) >= STEPS:
            self._say(
                "won",
                f"the discriminator has won: its loss stayed below {WON} for {int(self.won)} steps up to step {step}, "
                f"so the generator learns next to nothing; {ADVICE}",
            )

    def see_images(self, generated: Tensor, real: Tensor, step: int) -> None:
        """Compare generated images with real ones, (N, C, S, S) both."""
        far, usual = spread(generated), spread(real)  # NaN of a single image, which is below nothing
        if step >= STEPS and far < COLLAPSED * usual:
            self._say(
                "collapsed",
                f"the samples have collapsed: at step {step} generated images lay {100 * far / usual:.1f} % as far "
                f"apart as real ones do; {ADVICE}",
            )

    def _say(self, what: str, sentence: str) -> None:
        if what not in self.sentences:
            self.sentences[what] = sentence
            say(f"Warning: {sentence}")
