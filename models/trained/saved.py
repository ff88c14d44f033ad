"""A trained network without its run: plain configuration and weights, and the network rebuilt from them.

The configuration comes from anyone's file, so it is data and nothing else: it names networks and upsamplers by this
project's own names, looked up in tables, and what it asks for is limited before anything is built.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from models.networks.adversarial import labelled
from models.networks.build import build as build_network
from models.networks.interfaces import Network, Normalisation
from models.networks.normalise import Normalise
from models.trained.configuration import BUILDING, check, outputs
from models.trained.weights import check_kinds, check_loaded, check_stored
from plumbing.messages import printable

MAX_PARAMETERS, MAX_TENSORS = 250_000_000, 10_000  # 1 GB; DeepLabv3+ on ResNet-50 has 40 million in 200


class Saved(NamedTuple):
    """What a checkpoint or a zoo entry holds.

    config   the sections `task`, `model`, `upsample`, `data`, for segmentation and regression `encoder`, as in conf/;
             `seed`; `mean` and `std` of the input per channel; for segmentation `classes`, `palette`, `ignore_index`;
             of overlapping ones `thresholds`; of a generator of classes `classes`; for regression `values`, of
             `data.loading.loaded.Values`. Older files lack `labels`, the number of each class in the masks of its
             training, `ignored`, the numbers there of no class, and `span`, the values of files of more than 8 bits
             that became 0 and 255, or null. Only where bands are taken as they are stored is there `bands`, as
             `data.files.bands.Bands` has it
    weights  by their names in the network that `build` returns
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]


@contextmanager
def limited(stored: int) -> Iterator[None]:
    """Stop with ValueError what registers far more parameters than are stored, before they are filled and so take
    memory. (A GAN's discriminator, which is not stored, has up to ten times its generator's.)"""
    limit = min(MAX_PARAMETERS, 1_000_000 + 20 * stored)
    tensors = numbers = 0

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal tensors, numbers
        tensors, numbers = tensors + 1, numbers + (parameter.numel() if parameter is not None else 0)
        if tensors > MAX_TENSORS or numbers > limit:
            raise ValueError(f"the configuration asks for more than {limit:,} parameters; {stored:,} are stored")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def build(saved: Saved) -> Network:
    """The network with its weights, in evaluation mode; what only training uses of it is as initialised.

    Raises ValueError, in one sentence, for what cannot be built, for weights of another network, and for weights that
    are no plain finite numbers.
    """
    check(saved.config)
    check_stored(saved.weights)
    sections = {key: dict(saved.config[key]) for key in BUILDING if key in saved.config}
    sections.get("encoder", {}).pop("freeze", None)  # concerns training alone
    for section in sections.values():
        if section.get("pretrained"):
            section["pretrained"] = False  # the weights are here; nothing is fetched
    mean, std = tuple(saved.config["mean"]), tuple(saved.config["std"])
    try:
        with limited(sum(value.numel() for value in saved.weights.values())):
            network = build_network(sections, len(mean), outputs(saved.config))
    except ValueError:
        raise
    except Exception as error:  # whatever a layer makes of numbers that make no sense
        raise ValueError(
            f"the network of the configuration cannot be built ({printable(error) or type(error).__name__})"
        ) from None
    network.normalisation = Normalisation(mean, std)
    used = network.get_submodule(network.used)
    prefix = network.used + "." if network.used else ""
    weights = {key.removeprefix(prefix): value for key, value in saved.weights.items() if key.startswith(prefix)}
    have, want = ({key: tuple(value.shape) for key, value in d.items()} for d in (weights, used.state_dict()))
    if have != want:
        key = min(k for k in {*have, *want} if have.get(k) != want.get(k))
        raise ValueError(
            f"the weights are not of the network that the configuration describes: {printable(key)} is "
            f"{have.get(key, 'missing')} in the file and {want.get(key, 'missing')} in the network"
        )
    check_kinds(weights, used.state_dict())
    used.load_state_dict(weights)
    check_loaded(used)
    return network.eval()


class Trained(nn.Module):
    """A trained network with its preprocessing, in evaluation mode.

    forward   segmentation: images (N, C, H, W), uint8 or floating in [0, 1], to logits (N, K, H, W);
              regression: such images to values (N, 1, H, W) in the data's own unit;
              super_resolution: such images to images (N, C, period*H, period*W), about in [0, 1];
              gan: latents (N, latent), standard normal, and where there are classes the number of each image's,
              (N,) int64, to images (N, C, S, S) in [0, 1]. All float32
    preprocess   images to what `network` takes, (N, C, H, W) float32; not for a gan
    network      the network alone, collapsed where it can be (`Network.collapse`), of a gan the averaged generator,
                 which takes the class one-hot behind the latents
    task         "segmentation", "regression", "super_resolution" or "gan"
    upsampler    its name; `period` of the decoder, in output pixels
    channels     of the images; latent: numbers a gan's image is made from, else None
    classes, palette, ignore_index   of a segmentation: names, (R, G, B) each, the label of no class; else [], [], None,
                 but for a generator of classes, which has names too
    labels       of a segmentation: the number of each class in the masks of its training
    thresholds   of classes that may overlap the probability, the sigmoid of its own logit, from which each is found;
                 one alone is of the last class, of two; [] where the likeliest is
    span         of values in files of more than 8 bits that became 0 and 255 in training; None: there were none
    bands        that it takes of a file, a section as `Saved` has it; None: pictures. Where these are floating, images
                 are in float32 with the numbers that files store
    config       as `Saved` describes
    """

    def __init__(self, saved: Saved) -> None:
        super().__init__()
        network, config = build(saved), saved.config
        network.collapse()
        self.network = network.get_submodule(network.used)
        self.preprocess = Normalise(config["mean"], config["std"])
        self.config = config
        self.task: str = config["task"]["name"]
        self.upsampler: str = config["upsample"]["name"]
        self.period = network.period
        self.channels = len(config["mean"])
        self.latent: int | None = getattr(network, "latent", None)
        of_classes = self.task != "gan" or getattr(network, "classes", None) is not None
        self.classes: list[str] = config.get("classes", []) if of_classes else []
        self.palette = [tuple(colour) for colour in config.get("palette", [])]
        self.ignore_index: int | None = config.get("ignore_index")
        self.labels: list[int] = config.get("labels") or list(range(len(self.classes)))
        self.thresholds: list[float] = config.get("thresholds", [])
        self.span: tuple[float, float] | None = tuple(config["span"]) if config.get("span") else None
        self.bands: dict[str, Any] | None = config.get("bands")
        self.eval()

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """See the class."""
        if self.task == "gan":
            z = x if label is None else labelled(x, label, len(self.classes))
            return (self.network(z).float() + 1) / 2
        y = self.network(self.preprocess(x))
        if self.task == "regression":
            return y.float() * self.config["values"]["std"] + self.config["values"]["mean"]
        return y.float() if self.task == "segmentation" else self.preprocess.undo(y)
