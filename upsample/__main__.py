"""`python -m upsample list | explain | explore | inspect | audit | repair`: See, check and mend upsampling layers."""

import argparse
import json
import os
import sys
import webbrowser
from pathlib import Path
from typing import Any, NoReturn

from upsample.names import unknown, written


class Parser(argparse.ArgumentParser):
    """Errors are one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def build_parser() -> Parser:
    """The commands and their arguments."""
    parser = Parser(prog="python -m upsample", description=__doc__.partition(": ")[2])
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{list,explain,explore,inspect,audit,repair}"
    )
    listing = commands.add_parser("list", help="a table of all operators: cost, overlap, checkerboard, what to know")
    listing.add_argument("--scale", type=int, default=2, help="output pixels per input pixel and axis (default 2)")

    explain = commands.add_parser(
        "explain",
        allow_abbrev=False,
        help="one operator, or two side by side, in numbers and one picture",
        epilog="Any option of the operator works too, such as --kernel_size 3 --dilation 2 or --balanced true; "
        "--kernel is short for --kernel_size, and --vs-kernel_size 4 is an option of the second operator. "
        "What a kernel does by itself is shown: with holes where it leaves any, and not balanced unless asked to be.",
    )
    explain.add_argument("name", help=", ".join(written()))
    explain.add_argument("--scale", type=int, default=2, help="output pixels per input pixel and axis (default 2)")
    explain.add_argument("--vs", metavar="OTHER", help="a second operator, drawn below the first")
    explain.add_argument("--output", type=Path, metavar="FILE", help="the PNG to write (default explain_NAME.png)")

    explore = commands.add_parser(
        "explore", help="a page of sliders: where taps land, what overlaps, what it does to a picture, code elsewhere"
    )
    explore.add_argument(
        "--output", type=Path, metavar="FILE", help="only write the page there (default explore.html, and open it)"
    )

    inspection = commands.add_parser(
        "inspect",
        help="is there a grid in these images, of what period, how strong, in which channel",
        epilog="Takes images that were generated or enlarged alike, six at least: a grid is what they have in common.",
    )
    inspection.add_argument("paths", nargs="+", type=Path, metavar="FILE|FOLDER", help="images, and folders of images")
    inspection.add_argument(
        "--periods", type=int, nargs="+", metavar="P", help="pixels between what repeats (default: 2 to 16, each)"
    )
    inspection.add_argument(
        "--output",
        type=Path,
        default=Path("inspect.png"),
        metavar="FILE",
        help="the PNG to write (default inspect.png)",
    )

    audit = commands.add_parser(
        "audit",
        help="check every upsampling and strided layer of anyone's model",
        epilog="What package.module:callable names is imported and called, so it is code that runs with your rights: "
        "audit only what you would run. No checkpoint is loaded by the audit itself. An ONNX file is only read.",
    )
    audit.add_argument(
        "target", metavar="package.module:callable|FILE.onnx", help="what returns the model, or a file that holds it"
    )
    audit.add_argument(
        "--args", default="{}", metavar="JSON", help="the callable's keyword arguments, such as '{\"weights\": null}'"
    )
    audit.add_argument(
        "--input", metavar="SHAPE", help="the shape of what it takes, such as 1,3,224,224 (default: guessed)"
    )
    audit.add_argument(
        "--run", action="store_true", help="also run it on constant colours: what comes out that is not constant"
    )

    repair = commands.add_parser(
        "repair",
        help="write a copy of an ONNX file whose layers print nothing on flat areas",
        epilog="PyTorch models are repaired in Python: upsample.repair(model, images).",
    )
    repair.add_argument("file", type=Path, metavar="FILE.onnx", help="the network, which is left as it is")
    repair.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="images that it was made for: biases are fitted to them, and its"
        " pattern is measured on them (default: constant colours)",
    )
    repair.add_argument("--mean", type=float, nargs="+", default=[0.0], metavar="M", help="see --std (default 0)")
    repair.add_argument(
        "--std",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="S",
        help="images are fed as (grey level / 255 - mean) / std, red first, one number or one a channel (default 1); "
        "networks of whole numbers take the grey levels",
    )
    repair.add_argument("--input", metavar="SHAPE", help="the shape of what it takes, where the file leaves it open")
    repair.add_argument(
        "-o", "--output", type=Path, metavar="OUT.onnx", help="the file to write (default FILE_repaired.onnx)"
    )
    return parser


def operator_options(words: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the first and of the second operator from `--key value`, `--key=value` and `--vs-key value`.

    Values are read as JSON where they are (3, true, null) and as text where not. Raises ValueError.
    """
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    rest = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for word, value in zip(rest[::2], [*rest[1::2], None], strict=False):
        if not word.startswith("--") or value is None or value.startswith("--"):
            beside = f"; a second operator is --vs {word}" if word in written() else ""
            raise ValueError(f"'{word}' is not understood; options of the operator are written --key value{beside}")
        options, key = (second, word[5:]) if word.startswith("--vs-") else (first, word[2:])
        key = key.replace("-", "_")
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = value
        options["kernel_size" if key == "kernel" else key] = parsed
    return first, second


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """The numbers of a shape such as 1,3,224,224; None for None. Raises ValueError for what is no shape."""
    if text is None:
        return None
    try:
        sizes = tuple(int(size) for size in text.replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"--input is a shape such as 1,3,224,224, not '{text}'")
    return sizes


def named_files(arguments: argparse.Namespace) -> list[Path]:
    """Return the files and folders that a command is to read."""
    files = [*getattr(arguments, "paths", []), getattr(arguments, "file", None), getattr(arguments, "images", None)]
    if str(getattr(arguments, "target", "")).endswith(".onnx"):
        files.append(Path(arguments.target))
    return [path for path in files if path is not None]


def named_operators(arguments: argparse.Namespace) -> list[str]:
    """Return the operators that a command is to explain."""
    names = [getattr(arguments, "name", None), getattr(arguments, "vs", None)]
    return [name for name in names if name is not None]


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Carry out the parsed command. Raises ValueError for what cannot be done."""
    if arguments.command != "explain" and words:
        raise ValueError(f"unrecognized arguments: {' '.join(words)}")
    for path in named_files(arguments):  # before anything is imported, which takes seconds
        if not path.exists():
            raise ValueError(f"there is no file {'' if path.suffix == '.onnx' else 'or folder '}{path}")
    for name in named_operators(arguments):
        if name not in (names := written()):
            raise ValueError(unknown(name, names))
    if arguments.command in ("list", "explain"):
        import torch

        torch.set_num_threads(1)  # arrays are small: more threads wait for each other, for seconds on a busy machine
    if arguments.command == "list":
        from upsample.pages.listing import table

        print(table(arguments.scale))
    elif arguments.command == "explain":
        from upsample.pages.explain import explain
        from upsample.pages.pictures import draw

        first, second = operator_options(words)
        if second and not arguments.vs:
            raise ValueError("--vs-... options need --vs OTHER")
        explained = [explain(arguments.name, arguments.scale, **first)]
        if arguments.vs:
            explained.append(explain(arguments.vs, arguments.scale, **second))
        path = arguments.output or Path(f"explain_{'_vs_'.join(e.name for e in explained)}.png")
        draw(explained, path)
        print(*explained, f"picture: {path}", sep="\n\n")
    elif arguments.command == "explore":
        from upsample.pages.explore import write

        path = arguments.output or Path("explore.html")
        write(path)
        print(path)
        if arguments.output is None:
            webbrowser.open(path.resolve().as_uri())
    elif arguments.command == "inspect":
        from upsample.instrument.words import verdict
        from upsample.pages.inspection import PERIODS, UNIT, inspect
        from upsample.pages.pattern_picture import draw_pattern

        inspected = inspect(arguments.paths, arguments.periods or PERIODS)
        print(inspected)
        found = inspected.result
        if found.pattern is not None and found.pattern.tested:
            title = verdict(found, UNIT)
            draw_pattern(found.pattern, found.channels, UNIT, title, inspected.first, arguments.output)
            print(f"\npicture: {arguments.output}")
    elif arguments.command == "repair":
        from upsample.onnx_files.images import images_for
        from upsample.onnx_files.repair import repair_onnx

        size = shape_of(arguments.input)
        images = None
        if arguments.images is not None:
            images, notes = images_for(arguments.file, arguments.images, arguments.mean, arguments.std)
            print(*notes, sep="\n")
        print(repair_onnx(arguments.file, arguments.output, images, size))
    elif arguments.target.endswith(".onnx"):
        from upsample.onnx_files.audit import audit_onnx, flat_field_onnx

        if arguments.args != "{}":
            raise ValueError("--args are of what package.module:callable names; an ONNX file takes none")
        path, size = Path(arguments.target), shape_of(arguments.input)
        print(audit_onnx(path, size))
        if arguments.run:
            print("", flat_field_onnx(path, size), sep="\n")
    else:
        from upsample.models.named_model import build_target

        size = shape_of(arguments.input)
        model = build_target(arguments.target, arguments.args)

        import torch  # here, not above: what cannot be imported is refused at once

        from upsample.models.audit import audit
        from upsample.models.flat_field import flat_field

        example = None if size is None else torch.zeros(size)
        print(audit(model, example))
        if arguments.run:
            print("", flat_field(model, example), sep="\n")


def main(argv: list[str] | None = None) -> None:
    """Entry point; exit code 2 and one sentence on standard error for a mistake."""
    parser = build_parser()
    arguments, words = parser.parse_known_args(argv)
    try:
        run(arguments, words)
    except BrokenPipeError:  # who reads has seen enough: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        raise SystemExit(141) from None  # as a shell says SIGPIPE
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
