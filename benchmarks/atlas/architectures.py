"""Published architectures, built without weights: a row of the atlas each. A library that is not there has no rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """A row: whose it is, its name, how it is built, and the shape of what it takes; further inputs as they are."""

    library: str
    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (1, 3, 128, 128)
    rest: tuple[Any, ...] = ()

    def example(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return torch.zeros(self.shape), *self.rest


def _made(place: str, **options: Any) -> Callable[[], nn.Module]:
    module, _, name = place.partition(":")
    return lambda: attrgetter(name)(import_module(module))(**options)


def segmentation_models() -> Iterator[Architecture]:
    """segmentation-models-pytorch: decoders on encoders of its own and of timm."""
    encoders = ("resnet18", "mobilenet_v2", "efficientnet-b0", "tu-regnety_002")
    for decoder in (
        *("Unet", "UnetPlusPlus", "FPN", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "Linknet", "MAnet", "PAN"),
        *("UPerNet", "Segformer"),
    ):
        for encoder in encoders:
            options = {"encoder_name": encoder, "encoder_weights": None, "classes": 5}
            make = _made(f"segmentation_models_pytorch:{decoder}", **options)
            yield Architecture("segmentation-models-pytorch", f"{decoder} on {encoder}", make)


def torchvision() -> Iterator[Architecture]:
    """torchvision's segmentation."""
    for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
        options = {"weights": None, "weights_backbone": None, "num_classes": 5}
        yield Architecture("torchvision", name, _made(f"torchvision.models.segmentation:{name}", **options))


def monai() -> Iterator[Architecture]:
    """MONAI's nets, over two axes and over three."""
    levels = {"channels": (8, 16, 32), "strides": (2, 2)}
    plain = {"in_channels": 1, "out_channels": 2}
    diffusion = {"channels": (16, 32), "attention_levels": (False, False), "num_res_blocks": 1, "norm_num_groups": 8}
    for axes in (2, 3):
        shape = (1, 1, *[32 if axes == 3 else 64] * axes)
        both = plain | {"spatial_dims": axes}
        kernels = {"kernel_size": (3, 3, 3), "strides": (1, 2, 2), "upsample_kernel_size": (2, 2)}
        for name, options in (
            ("UNet", levels | both),
            ("UNet, residual units", levels | both | {"num_res_units": 2}),
            ("BasicUNet", both | {"features": (8, 8, 16, 16, 32, 8)}),
            (
                "BasicUNet, upsample=nontrainable",
                both | {"features": (8, 8, 16, 16, 32, 8), "upsample": "nontrainable"},
            ),
            (
                "BasicUNet, upsample=pixelshuffle",
                both | {"features": (8, 8, 16, 16, 32, 8), "upsample": "pixelshuffle"},
            ),
            ("BasicUNetPlusPlus", both | {"features": (8, 8, 16, 16, 32, 8)}),
            ("AttentionUnet", levels | both),
            ("SegResNet", both),
            ("SegResNet, upsample_mode=deconv", both | {"upsample_mode": "deconv"}),
            ("SegResNet, upsample_mode=pixelshuffle", both | {"upsample_mode": "pixelshuffle"}),
            ("SegResNetDS", both | {"init_filters": 8}),
            ("DynUNet", both | kernels | {"filters": (8, 16, 32)}),
            ("VNet", both),
            ("AutoEncoder", both | {"channels": (8, 16, 32), "strides": (2, 2, 2)}),
            ("AutoencoderKL", both | diffusion),
            ("VQVAE", both | {"channels": (16, 32, 32), "num_res_channels": (16, 32, 32)}),
            ("SwinUNETR", both | {"feature_size": 12}),
            ("MedNeXt", both | {"init_filters": 8}),
        ):
            if (name, axes) == ("SwinUNETR", 3):
                continue  # 192**3 voxels are too many for a flat field of its period, 32
            place = f"monai.networks.nets:{name.partition(',')[0]}"
            yield Architecture("MONAI", f"{name}, {axes}-D", _made(place, **options), shape)
    yield Architecture(
        "MONAI", "UNETR, 2-D", _made("monai.networks.nets:UNETR", **plain, img_size=64, spatial_dims=2), (1, 1, 64, 64)
    )
    flexible = _made("monai.networks.nets:FlexibleUNet", in_channels=3, out_channels=2, backbone="efficientnet-b0")
    yield Architecture("MONAI", "FlexibleUNet on efficientnet-b0, 2-D", flexible, (1, 3, 64, 64))


def spandrel() -> Iterator[Architecture]:
    """Super-resolution networks as spandrel has them."""
    few = {"depths": (2, 2), "num_heads": (3, 3), "embed_dim": 24}
    rgb = {"num_in_ch": 3, "num_out_ch": 3}
    for name, place, options in (
        ("ESRGAN x4", "ESRGAN.__arch.RRDB:RRDBNet", {"num_blocks": 4}),
        ("ESRGAN x4, pixelshuffle", "ESRGAN.__arch.RRDB:RRDBNet", {"num_blocks": 4, "upsampler": "pixel_shuffle"}),
        ("Real-ESRGAN compact x4", "Compact.__arch.SRVGG:SRVGGNetCompact", {}),
        (
            "SwinIR x2, pixelshuffle",
            "SwinIR.__arch.SwinIR:SwinIR",
            few | {"upscale": 2, "upsampler": "pixelshuffle", "window_size": 8},
        ),
        (
            "SwinIR x4, nearest+conv",
            "SwinIR.__arch.SwinIR:SwinIR",
            few | {"upscale": 4, "upsampler": "nearest+conv", "window_size": 8},
        ),
        (
            "SwinIR x2, pixelshuffledirect",
            "SwinIR.__arch.SwinIR:SwinIR",
            few | {"upscale": 2, "upsampler": "pixelshuffledirect", "window_size": 8},
        ),
        (
            "Swin2SR x2",
            "Swin2SR.__arch.Swin2SR:Swin2SR",
            few | {"upscale": 2, "upsampler": "pixelshuffle", "window_size": 8},
        ),
        (
            "HAT x2",
            "HAT.__arch.HAT:HAT",
            few | {"squeeze_factor": 4} | {"upscale": 2, "upsampler": "pixelshuffle", "window_size": 8},
        ),
        ("DAT x2", "DAT.__arch.DAT:DAT", {"depth": [2], "num_heads": [2], "embed_dim": 24, "split_size": [8, 8]}),
        ("RGT x2", "RGT.__arch.rgt:RGT", {"depth": [2], "num_heads": [2], "embed_dim": 24}),
        (
            "DRCT x2",
            "DRCT.__arch.drct_arch:DRCT",
            few | {"upscale": 2, "upsampler": "pixelshuffle", "window_size": 8, "num_heads": (2, 2)},
        ),
        ("ATD x2", "ATD.__arch.atd_arch:ATD", few | {"upscale": 2, "upsampler": "pixelshuffle"}),
        ("DITN x4", "DITN.__arch.DITN_Real:DITN_Real", {"dim": 24, "ITL_blocks": 1, "SAL_blocks": 1}),
        ("FDAT x4", "FDAT.__arch.fdat:FDAT", {"embed_dim": 24, "num_groups": 1}),
        ("MoESR x4", "MoESR.__arch.MoESR:MoESR", {"n_blocks": 1, "n_block": 1}),
        ("MoSR x4", "MoSR.__arch.mosr_arch:MoSR", {"n_block": 2}),
        ("MoSR x4, dysample", "MoSR.__arch.mosr_arch:MoSR", {"n_block": 2, "upsampler": "dys"}),
        ("OmniSR x4", "OmniSR.__arch.OmniSR:OmniSR", {"res_num": 1}),
        ("PLKSR x4", "PLKSR.__arch.PLKSR:PLKSR", {"n_blocks": 4}),
        ("RealPLKSR x4", "PLKSR.__arch.RealPLKSR:RealPLKSR", {"n_blocks": 4}),
        ("RealPLKSR x4, dysample", "PLKSR.__arch.RealPLKSR:RealPLKSR", {"n_blocks": 4, "dysample": True}),
        ("RealCUGAN x2", "RealCUGAN.__arch.upcunet_v3:UpCunet2x", {}),
        ("RealCUGAN x3", "RealCUGAN.__arch.upcunet_v3:UpCunet3x", {}),
        ("RealCUGAN x4", "RealCUGAN.__arch.upcunet_v3:UpCunet4x", {}),
        ("SAFMN x4", "SAFMN.__arch.safmn:SAFMN", {"dim": 36}),
        ("SPAN x4", "SPAN.__arch.span:SPAN", rgb),
        ("SwiftSRGAN x4", "SwiftSRGAN.__arch.SwiftSRGAN:Generator", {"num_blocks": 2}),
        ("DRUNet", "DRUNet.__arch.network_unet:DRUNet", {"in_nc": 3, "out_nc": 3, "nb": 1, "nc": [16, 32, 64, 128]}),
        ("NAFNet", "NAFNet.__arch.NAFNet_arch:NAFNet", {"enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
        ("SCUNet", "SCUNet.__arch.SCUNet:SCUNet", {"config": [1] * 7}),
        (
            "KBNet",
            "KBNet.__arch.kbnet_s:KBNet_s",
            {"width": 16, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
        ),
        ("Retinexformer", "RetinexFormer.__arch.retinexformer_arch:RetinexFormer", {"stage": 1, "n_feat": 16}),
        ("MixDehazeNet", "MixDehazeNet.__arch.MixDehazeNet:MixDehazeNet", {}),
    ):
        yield Architecture("spandrel", name, _made(f"spandrel.architectures.{place}", **options), (1, 3, 64, 64))


def diffusers() -> Iterator[Architecture]:
    """diffusers' autoencoders, whole, and its U-Net."""
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3}
    wide = {"block_out_channels": (16, 32, 32), "norm_num_groups": 8}
    for name, options in (
        ("AutoencoderKL", blocks | wide),
        ("VQModel", blocks | wide),
        ("AutoencoderTiny", {}),
        ("UNet2DModel", {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3} | wide),
    ):
        rest = (torch.tensor(1),) if name == "UNet2DModel" else ()
        yield Architecture("diffusers", name, _made(f"diffusers:{name}", **options), (1, 3, 64, 64), rest)


LIBRARIES: dict[str, Callable[[], Iterator[Architecture]]] = {
    "segmentation_models_pytorch": segmentation_models,
    "torchvision": torchvision,
    "monai": monai,
    "spandrel": spandrel,
    "diffusers": diffusers,
}


def architectures() -> list[Architecture]:
    """All rows of the libraries that are installed."""
    return [row for package, rows in LIBRARIES.items() if find_spec(package) is not None for row in rows()]
