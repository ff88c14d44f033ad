"""The audit on models built to hide things, on torchvision's, and from the command line."""

import json
import sys
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torchvision.models.segmentation import fcn_resnet50, lraspp_mobilenet_v3_large

import upsample
from upsample.__main__ import main
from upsample.algebra.phases import phase_imbalance
from upsample.algebra.spectrum import imaging_ratio
from upsample.models.audit import Report, audit
from upsample.models.layers import Layer
from upsample.models.named_model import build_target


def by_name(report: Report) -> dict[str, Layer]:
    return {layer.name: layer for layer in report.layers}


class Block(nn.Module):
    """An upsampling convolution, and an interpolation that only tracing can see."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.up(x), scale_factor=3, mode="bilinear")


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        shared = nn.ConvTranspose2d(8, 8, 3, stride=2)
        self.blocks = nn.ModuleList([Block(shared), Block(shared)])
        self.shuffle = nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.PixelShuffle(2))
        self.same = nn.ConvTranspose2d(8, 8, 3, stride=1)  # stride 1: not an upsampling layer

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return F.interpolate(self.shuffle(self.same(x)), size=x.shape[2:])


def test_nested_shared_sequential_and_functional_layers_are_found() -> None:
    model = Model()
    report = audit(model)
    assert [(layer.name, layer.what) for layer in report.layers] == [
        ("", "F.interpolate nearest to a size given at run time"),
        ("stem.0", "Conv2d 3->8 k3 s2"),
        ("stem.2", "MaxPool2d k2 s2"),
        ("blocks.0", "F.interpolate bilinear s3"),
        ("blocks.0.up", "ConvTranspose2d 8->8 k3 s2"),
        ("blocks.1", "F.interpolate bilinear s3"),
        ("shuffle.1", "PixelShuffle s2 after Conv2d 8->32 k3"),
    ]
    assert report.unseen == ()
    layers = by_name(report)
    assert layers["blocks.0.up"].also == ("blocks.1.up",)
    assert layers["blocks.0.up"].taps == ((2, 1), (2, 1))
    assert layers["blocks.0.up"].imbalance == phase_imbalance(model.blocks[0].up)
    assert layers["blocks.0.up"].imaging == imaging_ratio(model.blocks[0].up)
    assert layers["blocks.0.up"].verdict == "uneven overlap"
    assert "kernel_size=4" in layers["blocks.0.up"].mend
    assert layers["blocks.0"].imbalance == 0
    assert layers["blocks.0"].imaging == pytest.approx(imaging_ratio(upsample.build("bilinear", 1, 1, 3), 1))
    assert layers["shuffle.1"].imbalance == phase_imbalance(model.shuffle)
    assert layers["stem.2"].verdict == "even"


def test_verdicts_of_holes_and_of_strided_layers() -> None:
    model = nn.Sequential(
        nn.ConvTranspose2d(2, 2, 3, stride=2, dilation=2, padding=2),
        nn.Conv2d(2, 4, 1, stride=2),
        nn.Conv2d(4, 4, 4, stride=2),
        nn.AvgPool2d(3, stride=2),
    )
    holes, skips, even, pool = audit(model).layers
    assert holes.hole_fraction == 0.75
    assert holes.verdict.startswith("75% holes")
    assert "kernel_size=4" in holes.mend
    assert (skips.kind, skips.hole_fraction) == ("strided", 0.75)
    assert skips.verdict == "never reads 75% of its input"
    assert (even.verdict, even.mend) == ("even", "")
    assert pool.verdict == "uneven gradient"


def test_the_imbalance_of_a_strided_convolution_is_that_of_its_gradient() -> None:
    conv = nn.Conv2d(4, 6, 5, stride=2, padding=2, groups=2)
    (layer,) = audit(conv).layers

    class Gradient(nn.Module):
        def forward(self, y: Tensor) -> Tensor:
            return F.conv_transpose2d(y, conv.weight.double(), stride=2, padding=2, output_padding=1, groups=2)

    assert layer.imbalance == pytest.approx(phase_imbalance(Gradient(), 6))
    assert layer.imaging == pytest.approx(imaging_ratio(Gradient(), 6))


def test_one_and_three_axes_uneven_strides_and_weights_that_are_not_there() -> None:
    model = nn.ModuleDict(
        {
            "one": nn.ConvTranspose1d(2, 3, 4, stride=2),
            "three": nn.ConvTranspose3d(2, 2, 2, stride=2),
            "flat": nn.ConvTranspose2d(2, 2, (1, 4), stride=(1, 2)),
            "meta": nn.ConvTranspose2d(2, 2, 4, stride=2, device="meta"),
            "normed": parametrizations.weight_norm(nn.ConvTranspose2d(2, 2, 4, stride=2)),
        }
    )
    layers = by_name(audit(model))
    one = model["one"].weight.detach().double().unflatten(2, (2, 2)).sum(2)  # (in, out, phase)
    answers = torch.cat([one.permute(2, 1, 0), model["one"].bias.detach().double().expand(2, 3)[..., None]], 2)
    mean = answers.mean(0)
    expected = ((answers - mean).square().sum((1, 2)).mean().sqrt() / mean.norm()).item()
    assert layers["one"].imbalance == pytest.approx(expected)
    assert layers["three"].taps == ((1, 1),) * 3
    assert (layers["three"].imbalance, layers["meta"].imbalance) == (None, None)
    assert layers["flat"].imbalance is not None
    assert layers["flat"].imaging is None
    assert layers["normed"].imbalance == phase_imbalance(model["normed"])
    assert layers["normed"].what.startswith("ConvTranspose2d")


@pytest.mark.parametrize("name", upsample.available())
def test_this_projects_operators_are_one_layer_each(name: str) -> None:
    operator = upsample.build(name, 16, 8, 2, skip_channels=4, indices_channels=16)
    report = audit(nn.Sequential(nn.Conv2d(3, 16, 1), operator))
    (layer,) = report.layers
    assert (layer.name, layer.kind) == ("1", "upsampling")
    assert layer.what.startswith(f"upsample {type(operator).__name__}")
    assert layer.verdict
    assert report.unseen == ()
    if name in ("fir", "resize_conv", "bilinear"):
        assert layer.verdict == "even"


class Moody(nn.Module):
    """A forward that depends on values, which no tracing without values can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Block(nn.Identity())
        self.lazy = nn.LazyConvTranspose2d(3, 4, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 0:
            return F.interpolate(x, scale_factor=2)
        return self.lazy(self.inner(x))


def test_what_could_not_be_seen_is_said() -> None:
    report = audit(nn.ModuleDict({"moody": Moody()}))
    assert [layer.name for layer in report.layers] == ["moody.inner"]
    lazy, forward = report.unseen
    assert lazy.startswith("moody.lazy (LazyConvTranspose2d) has no weights yet")
    assert forward.startswith("functions called in the forward of moody (Moody): symbolically")
    assert f"not seen: {forward}" in str(report)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_said_to_be_closed() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.ConvTranspose2d(1, 1, 2, stride=2)))
    assert audit(scripted) == Report((), ("whatever is in the model, which is TorchScript",))
    report = audit(nn.Sequential(scripted, nn.Upsample(scale_factor=2)))
    assert [layer.name for layer in report.layers] == ["1"]
    assert report.unseen == ("whatever is in 0, which is TorchScript",)


class Optional(nn.Module):
    """Traced with its optional argument as it stands by default."""

    def forward(self, x: Tensor, large: bool = True) -> Tensor:
        return F.interpolate(x, scale_factor=2) if bool(large) else x


def test_optional_arguments_and_equal_reasons() -> None:
    report = audit(nn.ModuleDict({"moody": Moody(), "again": Moody(), "optional": Optional()}))
    assert "optional" in by_name(report)
    assert sum("moody, again (Moody)" in sentence for sentence in report.unseen) == 1


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 16, 3, padding=1)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.conv(x), 2)
        x = F.pixel_shuffle(F.relu(x), 2)
        x = F.interpolate(x, scale_factor=(2, 2), mode="bicubic", align_corners=True)
        x = F.conv_transpose2d(x, x, stride=2)
        return F.interpolate(F.grid_sample(x, x), scale_factor=0.5)


def test_functions() -> None:
    model = Functions()
    found = {layer.what: layer for layer in audit(model).layers}
    assert set(found) == {
        "F.pixel_shuffle s2 after Conv2d 4->16 k3",
        "F.pixel_shuffle s2",
        "F.interpolate bicubic s2 align_corners",
        "F.conv_transpose",
        "F.grid_sample",
        "MaxUnpool2d",
    }
    tail = nn.Sequential(model.conv, nn.PixelShuffle(2))
    assert found["F.pixel_shuffle s2 after Conv2d 4->16 k3"].imbalance == phase_imbalance(tail)
    assert found["F.pixel_shuffle s2"].verdict == "not measured: the convolution before it was not found"
    assert found["F.interpolate bicubic s2 align_corners"].imaging is None


def test_the_report_is_json_and_text() -> None:
    report = audit(Model())
    data = json.loads(json.dumps(report.to_dict()))
    assert len(data["layers"]) == len(report.layers)
    assert data["layers"][4]["taps"] == [[2, 1], [2, 1]]
    text = str(report)
    assert "also called blocks.1.up" in text
    assert "5 upsampling and 2 strided layers, 3 with something to mend." in text
    assert all(len(line) <= 160 for line in text.splitlines())


def test_torchvision() -> None:
    layers = by_name(audit(fcn_resnet50(weights=None, weights_backbone=None)))
    assert layers["backbone.layer2.0.downsample.0"].hole_fraction == 0.75
    assert layers["backbone.conv1"].taps == ((4, 3), (4, 3))
    assert layers[""].what.startswith("F.interpolate bilinear")
    report = audit(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None))
    assert sum(layer.what.startswith("F.interpolate") for layer in report.layers) == 2


class Net(nn.Module):
    def __init__(self, kernel: int = 2) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(1, 1, kernel, stride=2)


def downloads(encoder_weights: str | None = "imagenet", classes: int = 1) -> nn.Module:
    if encoder_weights:
        raise RuntimeError("no luck") from URLError("Name or service not known")
    return Net()


def breaks() -> None:
    raise KeyError("width")


def returns_a_list() -> list:
    return []


def test_the_command_prints_the_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "somewhere.nets", SimpleNamespace(Net=Net))
    main(["audit", "somewhere.nets:Net", "--args", '{"kernel": 3}'])
    assert "ConvTranspose2d 1->1 k3 s2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "arguments", "sentence"),
    [
        ("torchvision.models", "{}", "TARGET is package.module:callable"),
        ("no_such_package:model", "{}", "cannot be imported: No module named 'no_such_package'"),
        ("torchvision.models:resnet17", "{}", "cannot be imported"),
        ("here:Net", "{weights: null}", "--args is not JSON"),
        ("here:Net", "[1]", "a JSON object of keyword arguments"),
        ("here:Net", '{"width": 3}', "could not be built"),
        ("here:breaks", "{}", "could not be built: 'width'"),
        ("here:returns_a_list", "{}", "returned a list, not a torch.nn.Module"),
        ("here:URL", "{}", "is a str, which cannot be called"),
        (
            "here:downloads",
            '{"classes": 3}',
            'download weights and could not; --args \'{"classes": 3, "encoder_weights": null}\' builds it without',
        ),
    ],
)
def test_mistakes_are_one_sentence(
    target: str, arguments: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace = SimpleNamespace(**{**globals(), "URL": "x"})
    monkeypatch.setitem(sys.modules, "here", namespace)
    with pytest.raises(SystemExit) as stopped:
        main(["audit", target, "--args", arguments])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1


def test_a_target_may_be_a_module_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    monkeypatch.setitem(sys.modules, "here", SimpleNamespace(net=net))
    assert build_target("here:net") is net
