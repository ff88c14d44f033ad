"""Run a trained network on your files.

    python predict.py zoo:unet-earth-dilated_deconv photo.jpg folder/ --output out/
    python predict.py zoo:dcgan-fashion_mnist-resize_conv -n 64 --seed 0 --output out/     (with classes: --class Bag)
    python predict.py zoo:unet-earth-deconv --serve        a page to drop images on: result, pattern, repaired

What is done to an image before the network sees it comes with the checkpoint.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from plumbing.messages import needs, printable, say, say_error
from study import command_line, run_folder


def arguments() -> argparse.Namespace:
    """The command line; plain paths, since Hydra's grammar takes `photo (1).jpg` apart."""
    parser = argparse.ArgumentParser(
        description="Run a trained network on your files: masks, values, enlarged images, or generated ones.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("checkpoint", help="runs/.../best.ckpt, zoo:NAME, or the folder of a zoo entry")
    add("inputs", nargs="*", metavar="PATH", help="images, and folders that are searched with all below them")
    add("--output", type=Path, default=Path("out"), help="folder to write into (default: out)")
    add(
        "--probabilities",
        action="store_true",
        help="segmentation: also write .npz with (H, W, classes) float16, of GeoTIFF a GeoTIFF of float32",
    )
    add("--window", type=int, default=1024, help="of what is seen of a larger image at once (default: 1024 pixels)")
    add("--overlap", type=float, default=0.25, help="of neighbouring windows, as a share (default: 0.25)")
    add("--seamless", action="store_true", help="segmentation: windows overlap as far as the network sees, and so join")
    add("--flip", action="store_true", help="segmentation, regression: average with the mirrored image's result")
    add("-n", type=int, help="generators: how many images (default: 64)")
    add("--seed", type=int, default=0, help="generators: decides which images (default: 0)")
    add("--class", dest="of", metavar="NAME", help="generators of classes: this one's alone (default: all, in order)")
    add("--serve", action="store_true", help="instead, a page of this machine: drop an image, see result and pattern")
    add("--port", type=int, default=8000, help="of that page (default: 8000)")
    add("--debug", action="store_true", help="let refusals come with their stack trace")
    return parser.parse_args()


Told = Callable[[float], None]  # is given the share of an image that is done
Write = Callable[[str, Path, Told], str]  # of an image, by the name of its result; returns what there is to say, or ""


def work(net: Any, options: argparse.Namespace) -> tuple[Iterator[None], int] | Write:
    """How to write the result of one image, or for generators all images and their number."""
    import torch

    from data.files.reading import read_image
    from data.geo import raster
    from models.tasks.generation.predict import asked, write_samples
    from models.tasks.regression.predict import measure
    from models.tasks.segmentation.inference import Inference, reach
    from models.tasks.segmentation.labels.predict import find_each
    from models.tasks.segmentation.predict import segment, write_legend
    from models.tasks.segmentation.scene import segment_scene
    from models.tasks.super_resolution.predict import enlarge_to

    if net.task == "gan":
        if options.inputs:
            raise ValueError(
                f"{options.checkpoint} generates images; it takes -n, --seed and --class, not {options.inputs[0]}"
            )
        count = 64 if options.n is None else options.n
        if count < 1:
            raise ValueError(f"-n must be 1 or more, not {count}")
        asked(net, count, options.of)  # refused now, not once the bar has begun
        return write_samples(net, count, options.seed, options.output, options.of), count
    if not options.inputs or options.n is not None or options.of is not None:
        kind = net.task.replace("_", "-")
        raise ValueError(f"{options.checkpoint} is for {kind}: name images or folders, and no -n or --class")

    def unplaced(path: Path) -> str:
        said = f"{path} lies somewhere on the Earth, which what is written of it does not say"
        return said if raster.is_placed(path) else ""

    if net.task == "super_resolution":

        def enlarge(name: str, path: Path, told: Told) -> str:
            picture = options.output / "enlarged" / f"{name}.png"
            enlarge_to(net, torch.from_numpy(read_image(path, net.span)), picture)
            return unplaced(path)

        return enlarge
    try:
        inference = Inference(net.period, options.window, options.overlap, options.flip)
        if options.seamless:
            device, side = next(net.parameters()).device, inference.window or options.window
            far = reach(lambda image: net(image.to(device)), net.channels, side, net.period)
            if far is None:
                raise ValueError(
                    f"--seamless: the network sees further than a window of {side} pixels, as one does that pools the "
                    "whole image; choose a larger --window, or leave --seamless out"
                )
            inference = Inference(net.period, options.window, options.overlap, options.flip, margin=far)
    except ValueError as error:
        raise ValueError(str(error).replace("task.inference.", "--")) from None

    if net.task == "regression":
        if options.probabilities:
            raise ValueError(f"{options.checkpoint} answers with values, which have no probabilities; leave that out")

        def measured(name: str, path: Path, told: Told) -> str:
            measure(net, path, inference, options.output, name)
            return unplaced(path)

        return measured
    if len(net.thresholds) != len(net.classes):  # else a mask for each, which needs no legend
        write_legend(net, options.output)

    def write(name: str, path: Path, told: Told) -> str:
        common = (net, path, inference, options.output, name, options.probabilities)
        if net.thresholds:
            find_each(*common)
            return unplaced(path)
        placed = raster.is_placed(path)
        if placed and raster.installed():
            segment_scene(*common, told)
            return ""
        segment(*common)
        what = f"{path} lies somewhere on the Earth, which its PNG does not say; a GeoTIFF of the same place"
        return needs(what, "geo", "rasterio") if placed else ""

    return write


def main() -> None:
    """Load, then write file after file; what cannot be read is reported, and the rest is done."""
    options = arguments()
    with run_folder.one_sentence(options.debug):
        command_line.refuse_absent(options.checkpoint)
        if options.serve and options.inputs:
            raise ValueError(f"--serve takes images from the page; leave out {options.inputs[0]}")
        print(command_line.IMPORTING_TORCH, flush=True)
        import torch  # here, not above, so that --help and a typo answer at once
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        from data.files import given_images
        from models import loading

        net = loading.load(options.checkpoint).to("cuda" if torch.cuda.is_available() else "cpu")
        if options.serve:
            from models.tasks.showing import Showing
            from study.demo.server import serve

            print("Repairing a copy of the network ...", flush=True)
            path = Path(options.checkpoint)  # of a run its folder tells more than best.ckpt
            return serve(Showing(net), path.parent.name or path.name if path.suffix else path.name, options.port)
        how = work(net, options)
        with Progress(console=Console(stderr=True)) as progress:
            if isinstance(how, tuple):
                for _ in progress.track(*how):
                    pass
                print(f"{how[1]} images in {options.output / 'samples'}, side by side in {options.output / 'grid.png'}")
                print(f"Is there a grid in them?  python -m upsample inspect {options.output / 'samples'}")
                return
            images, wrong = given_images.find(options.inputs, options.output)
            done = 0
            bar = progress.add_task("Working...", total=len(images))
            for place, (name, path) in enumerate(images.items()):

                def told(share: float, name: str = name, place: int = place) -> None:
                    words = escape(printable(name, 40))
                    progress.update(bar, completed=place + share, description=f"{words} {share:.0%}")

                try:
                    if said := how(name, path, told):
                        say(f"Warning: {said}", sys.stderr)
                    done += 1
                except (ValueError, OSError) as error:
                    if options.debug:
                        raise
                    wrong.append(str(error))
                progress.update(bar, completed=place + 1)
    kinds = [
        each for each in ("masks", "overlays", "values", "pictures", "enlarged") if (options.output / each).is_dir()
    ]
    print(f"{done} of {len(images)} images in {options.output}: {', '.join(kinds) or 'nothing'}")
    for sentence in wrong:
        say_error(sentence)
    if wrong:
        say_error(f"{len(wrong)} of what was named could not be used")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
