"""The audit on models built to hide things, on torchvision's, and from the command line."""

import copy
import json
import sys
from types import SimpleNamespace
from urllib.error import URLError

import einops
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torchvision.models.segmentation import fcn_resnet50, lraspp_mobilenet_v3_large

import upsample
from upsample.__main__ import main
from upsample.algebra.imbalance import phase_imbalance
from upsample.algebra.spectrum import aliasing_ratio, imaging_ratio
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
        ("", "F.interpolate nearest s1/2"),
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
    holes, skips, even, pool = audit(model, torch.zeros(1, 2, 64, 64)).layers
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
    assert layer.aliasing == aliasing_ratio(conv)


def test_one_and_three_axes_and_unequal_strides_are_measured() -> None:
    model = nn.ModuleDict(
        {
            "one": nn.ConvTranspose1d(2, 3, 4, stride=2),
            "three": nn.ConvTranspose3d(2, 2, 2, stride=2),
            "volume": nn.ConvTranspose3d(2, 2, (1, 2, 2), stride=(1, 2, 2)),
            "flat": nn.ConvTranspose2d(2, 2, (4, 6), stride=(2, 3)),
            "normed": parametrizations.weight_norm(nn.ConvTranspose2d(2, 2, 4, stride=2)),
        }
    )
    layers = by_name(audit(model))
    for name, layer in layers.items():
        assert layer.imbalance == phase_imbalance(model[name])
        assert layer.imaging == pytest.approx(imaging_ratio(model[name]))
        assert layer.verdict == "even overlap, unequal weights"
        assert "upsample.repair" in layer.mend
    assert layers["volume"].taps == ((1,), (1, 1), (1, 1))
    assert layers["normed"].what.startswith("ConvTranspose2d")
    for module in model.values():
        weight = module.parametrizations.weight.original1 if parametrize.is_parametrized(module) else module.weight
        nn.init.ones_(weight)
    assert {layer.verdict for layer in audit(model).layers} == {"even"}


def test_never_even_unless_measured() -> None:
    """Weights without values, and layers that do something else than their weights say."""

    class Own(nn.ConvTranspose3d):
        def forward(self, x: Tensor, second: Tensor) -> Tensor:
            return super().forward(x * second)

    nan = nn.ConvTranspose2d(2, 2, 2, stride=2)
    nn.init.constant_(nan.weight[0, 0, 0], torch.nan)
    model = nn.ModuleDict(
        {
            "meta": nn.ConvTranspose3d(2, 2, 2, stride=2, device="meta"),
            "uneven": nn.ConvTranspose2d(2, 2, 3, stride=2, device="meta"),
            "nan": nan,
            "complex": nn.ConvTranspose2d(2, 2, 2, stride=2, dtype=torch.complex64),
            "own": Own(2, 2, 2, stride=2),
            "operator": upsample.build("deconv", 4, 4, 2).to("meta"),
            "shuffle": nn.PixelShuffle(2),
        }
    )
    verdicts = {name: layer.verdict for name, layer in by_name(audit(model)).items()}
    assert verdicts["meta"] == "not measured: its weights are on the meta device"
    assert verdicts["uneven"] == "uneven overlap; not measured: its weights are on the meta device"
    assert verdicts["nan"] == "not measured: its weights hold NaN or infinite values"
    assert verdicts["complex"] == "not measured: its weights are complex"
    assert verdicts["own"].startswith("not measured: it has a forward or hooks of its own, and Own cannot be probed")
    assert verdicts["operator"].startswith("not measured: ")
    assert verdicts["shuffle"].startswith("not measured: ")


def test_a_layer_with_its_own_forward_is_judged_by_what_it_answers() -> None:
    class Equalised(nn.ConvTranspose2d):
        def forward(self, x: Tensor) -> Tensor:  # its stored weights say otherwise
            return F.conv_transpose2d(x, torch.ones_like(self.weight), self.bias, self.stride)

    (layer,) = audit(nn.ModuleList([Equalised(2, 2, 4, stride=2)])).layers
    assert (layer.verdict, layer.imbalance) == ("even", 0)


def test_measured_imbalance_overrules_overlap() -> None:
    """The bilinear kernel of odd length prints nothing, though its taps overlap unevenly."""
    model = nn.Sequential(nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.outer(*[torch.tensor([0.5, 1, 0.5])] * 2))
    (layer,) = audit(model).layers
    assert (layer.taps, layer.verdict, layer.mend) == (((2, 1), (2, 1)), "even", "")


def test_one_channel_of_many_and_biases_are_not_hidden() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(1, 512, 2, stride=2), nn.Conv2d(512, 4, 1), nn.PixelShuffle(2))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    with torch.no_grad():
        model[0].weight[:, 77, 0] = 0
        model[1].bias[0] = 200
    many, shuffle = audit(model).layers
    assert many.verdict == "even overlap, unequal weights in channel 77 (1.00; all together 0.02)"
    assert (shuffle.imbalance, shuffle.verdict) == (0, "unequal biases")
    assert shuffle.bias is not None
    assert shuffle.bias > 0.05


@pytest.mark.parametrize(
    ("layer", "even"),
    [
        (nn.ConvTranspose1d(2, 2, 3, stride=2), "kernel_size=2 dilation=1"),
        (nn.ConvTranspose3d(2, 2, 3, stride=2), "kernel_size=2 dilation=1"),
        (nn.ConvTranspose3d(2, 2, (1, 3, 3), stride=(1, 2, 2)), "kernel_size=1x2x2 dilation=1"),
        (nn.ConvTranspose2d(2, 2, (3, 4), stride=(2, 3)), "kernel_size=2x3 dilation=1"),
    ],
)
def test_every_mend_can_be_done(layer: nn.Module, even: str) -> None:
    model = nn.Sequential(layer)
    (found,) = audit(model).layers
    assert found.verdict == "uneven overlap"
    assert even in found.mend
    kernel = tuple(int(k) for k in even.split()[0].partition("=")[2].split("x"))
    mended = nn.Sequential(type(layer)(2, 2, kernel * (len(layer.stride) // len(kernel)), stride=layer.stride))
    assert audit(mended).layers[0].verdict.startswith("even overlap")
    for name in ("repair", "swap"):
        assert f"upsample.{name}" in found.mend
    swapped = copy.deepcopy(model)
    assert upsample.repair(model).changed
    assert audit(model).layers[0].verdict == "even"
    assert upsample.swap(swapped, "resize_conv")[0].error is not None
    assert [layer.verdict for layer in audit(swapped).layers if layer.kind == "upsampling"] == ["even"]


@pytest.mark.parametrize("name", upsample.available())
def test_this_projects_operators_are_one_layer_each(name: str) -> None:
    operator = upsample.build(name, 16, 8, 2, skip_channels=4, indices_channels=16)
    report = audit(nn.Sequential(nn.Conv2d(3, 16, 1), operator))
    (layer,) = report.layers
    assert (layer.name, layer.kind) == ("1", "upsampling")
    assert layer.what.startswith(f"upsample {type(operator).__name__}")
    assert layer.verdict
    assert bool(report.unseen) == bool(upsample.available()[name].needs)
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
    assert forward.startswith("functions called in the forward of moody (Moody): ")
    assert f"not seen: {forward}" in str(report)


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2) if x.mean() > 0 else x


class TakesTwo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), skip.shape[2:]) + skip


def test_reasons_that_a_person_understands() -> None:
    (decides,) = audit(Decides()).unseen
    assert "it decides by values, which are not there before the model runs" in decides
    (two,) = audit(TakesTwo()).unseen
    assert "its forward takes x and skip: give an example of them" in two
    report = audit(TakesTwo(), [torch.zeros(1, 3, 10, 10), torch.zeros(1, 3, 32, 32)])
    assert report.unseen == ()
    assert [layer.what for layer in report.layers] == ["F.interpolate nearest s4"]


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
        self.weight = nn.Parameter(torch.randn(4, 4, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.conv(x), 2)
        x = F.pixel_shuffle(F.relu(F.conv2d(x, self.weight.repeat(4, 1, 1, 1), stride=2)), 2)
        x = F.conv2d(x, self.weight[:, :, :1, :1], stride=2)
        x = F.interpolate(x, scale_factor=(2, 2), mode="bicubic", align_corners=True)
        x = F.conv_transpose2d(x, self.weight, stride=2)
        x = F.conv_transpose2d(x, self.weight * 2, stride=2)
        x, where = F.max_pool2d(F.avg_pool2d(x, 3, 2), 2, return_indices=True)
        x = F.max_unpool2d(x, where, 2)[:, :, ::2, 1::2]
        x = F.pixel_unshuffle(x[..., 0::3, :][..., :8, :8], 2)[:, :4]
        x = F.interpolate(x, size=(x.shape[2] // 4, x.shape[3] // 4), mode="bilinear")
        return F.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2])


def test_functions() -> None:
    model = Functions()
    report = audit(model)
    assert report.unseen == ()
    found = {layer.what: layer for layer in report.layers}
    assert set(found) == {
        "F.pixel_shuffle s2 after Conv2d 4->16 k3",
        "F.pixel_shuffle s2",
        "F.conv2d 4->16 k2 s2",
        "F.conv2d 4->4 k1 s2",
        "F.interpolate bicubic s2 align_corners",
        "F.conv_transpose2d 4->4 k2 s2",
        "F.avg_pool2d k3 s2",
        "F.max_pool2d k2 s2",
        "F.max_unpool2d",
        "slicing by steps of 6x2 along axes 2, 3",
        "F.pixel_unshuffle s2",
        "F.interpolate bilinear s1/4",
        "F.grid_sample",
    }
    tail = nn.Sequential(model.conv, nn.PixelShuffle(2))
    assert found["F.pixel_shuffle s2 after Conv2d 4->16 k3"].imbalance == phase_imbalance(tail)
    assert found["F.pixel_shuffle s2"].verdict.startswith("not measured: what it deals out is not one convolution's")
    assert found["F.interpolate bicubic s2 align_corners"].imaging is None
    assert found["F.conv2d 4->4 k1 s2"].verdict == "never reads 75% of its input"
    assert found["slicing by steps of 6x2 along axes 2, 3"].verdict == "never reads 92% of its input"
    assert found["F.interpolate bilinear s1/4"].verdict == "never reads 75% of its input"
    transposed = [layer for layer in report.layers if layer.what.startswith("F.conv_transpose2d")]
    known = nn.ConvTranspose2d(4, 4, 2, 2)
    known.weight = model.weight
    assert [layer.imbalance for layer in transposed] == [pytest.approx(float(phase_imbalance(known))), None]
    assert transposed[1].verdict == "not measured: its weights are computed in the forward"


class Merging(nn.Module):
    """Swin's patch merging reads every pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, a::2, b::2] for a in (0, 1) for b in (0, 1)], -1)


def test_slices_that_together_read_everything() -> None:
    (layer,) = audit(Merging(), torch.zeros(1, 8, 8, 4)).layers
    assert (layer.kind, layer.verdict, layer.hole_fraction) == ("strided", "even", 0)


class Patches(nn.Module):
    """A transformer's way back to pixels, in the given words, features in the order (p, q, c) or (c, p, q)."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.embed, self.norm, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 4 * 4 * 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        (n, _, h, w), p = x.shape, 4
        x = self.head(self.norm(x.flatten(2).transpose(1, 2)))
        if self.how == "einops":
            return einops.rearrange(x, "n (h w) (p q c) -> n c (h p) (w q)", h=h, p=p, q=p)
        if self.how == "einsum":
            return torch.einsum("nhwpqc->nchpwq", x.reshape(n, h, w, p, p, -1)).reshape(n, -1, h * p, w * p)
        if self.how == "permute":
            return x.view(n, h, w, -1, p, p).permute(0, 3, 1, 4, 2, 5).reshape(n, -1, h * p, w * p)
        x = x.view(n, h, w, p, p, -1).transpose(2, 3).flatten(3, 4).flatten(1, 2)  # channels last: (N, H, W, C)
        return x.reshape(n, h * p, w * p, -1).movedim(-1, 1)


@pytest.mark.parametrize("how", ["einops", "einsum", "permute", "channels last"])
def test_unpatchifying_and_the_order_of_its_channels(how: str) -> None:
    model = Patches(how)
    layer = next(layer for layer in audit(model).layers if layer.kind == "upsampling")
    order = "" if how == "permute" else ", channels last"
    assert layer.what == f"reshape and permute s4 after Linear 8->48{order}"
    weight = model.head.weight.detach().double()
    phases = weight.view(3, 16, 8).transpose(0, 1) if how == "permute" else weight.view(16, 3, 8)
    mean = phases.mean(0)
    expected = ((phases - mean).square().sum((1, 2)).mean().sqrt() / mean.norm()).item()
    assert layer.imbalance == pytest.approx(expected)


def test_moves_that_deal_nothing_out() -> None:
    class Attention(nn.Module):
        """Heads and windows are split and merged, which moves no features between pixels."""

        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            n, h, w, c = x.shape
            x = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
            q, k, v = self.qkv(x).reshape(len(x), 16, 3, 2, 4).permute(2, 0, 3, 1, 4)
            x = self.out((q @ k.transpose(2, 3) @ v).transpose(1, 2).reshape(len(x), 16, c))
            x = x.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
            return x.permute(0, 3, 1, 2)

    report = audit(Attention(), torch.zeros(1, 16, 16, 8))
    assert (report.layers, report.unseen) == ((), ())


def test_pixels_that_become_features_enlarge_nothing() -> None:
    class Fold(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            n, c, h, w = x.shape
            return x.relu().view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)

    assert audit(Fold(), torch.zeros(1, 8, 32, 32)).layers == ()


def test_models_in_wrappers_and_exported_programs() -> None:
    plain = by_name(audit(Model()))
    wrapped = by_name(audit(nn.DataParallel(Model())))
    assert [*wrapped] == [f"module.{name}".rstrip(".") for name in plain]
    assert [layer.what for layer in wrapped.values()] == [layer.what for layer in plain.values()]
    compiled = by_name(audit(torch.compile(Model())))
    assert [*compiled] == [f"_orig_mod.{name}".rstrip(".") for name in plain]
    model = Model().eval()
    exported = audit(torch.export.export(model, (torch.zeros(1, 3, 32, 32),)))
    assert exported.unseen == ()
    numbers = {(layer.imbalance, layer.taps) for layer in exported.layers if layer.imbalance}
    assert numbers == {(layer.imbalance, layer.taps) for layer in audit(model).layers if layer.imbalance}
    assert {layer.name for layer in exported.layers} == {*plain, "blocks.1.up"}


def test_the_model_is_left_as_it_was() -> None:
    up = nn.ConvTranspose2d(4, 4, 2, 2)
    tied = nn.Conv2d(4, 4, 2)
    tied.weight = up.weight
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), up, nn.Sequential(up, tied))
    model[2].eval()
    parameters = dict(model.named_parameters(remove_duplicate=False))
    before = copy.deepcopy(model.state_dict())
    audit(model)
    assert [m.training for m in model] == [True, True, False, True, True]
    assert all(p is parameters[name] for name, p in model.named_parameters(remove_duplicate=False))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(type(p) is nn.Parameter for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_report_is_json_and_text() -> None:
    report = audit(Model())
    data = json.loads(json.dumps(report.to_dict()))
    assert len(data["layers"]) == len(report.layers)
    assert data["layers"][4]["taps"] == [[2, 1], [2, 1]]
    text = str(report)
    assert "also called blocks.1.up" in text
    assert "4 upsampling and 3 strided layers, 4 with something to mend." in text
    assert all(len(line) <= 160 for line in text.splitlines())


def test_torchvision() -> None:
    layers = by_name(audit(fcn_resnet50(weights=None, weights_backbone=None)))
    assert layers["backbone.layer2.0.downsample.0"].hole_fraction == 0.75
    assert layers["backbone.conv1"].taps == ((4, 3), (4, 3))
    assert layers[""].what == "F.interpolate bilinear s8"
    report = audit(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None))
    assert sum(layer.what.startswith("F.interpolate") for layer in report.layers) == 2
    assert report.unseen == ()


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
