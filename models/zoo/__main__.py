"""`python -m models.zoo list | show | export | verify | push | pull`: trained networks by name."""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import yaml

from models.zoo import index
from models.zoo.folders import PROJECTS, own, zoo_of
from plumbing.messages import MAX_SENTENCE, printable, say_error
from upsample.columns import columns

# What `list` shows of each task: the first that was measured.
HEADLINES = ("test/miou", "test/psnr_y", "test/fid", "test/frechet_effnet_lite0", "test/spectrum_gap")


class Parser(argparse.ArgumentParser):
    """Errors are one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def build_parser() -> Parser:
    """The commands and their arguments."""
    parser = Parser(prog="python -m models.zoo", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "--zoo",
        type=Path,
        metavar="FOLDER",
        help=f"of entries (default: your own, {own()}, or what EVENLY_ZOO names; and, to read only, this project's)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name, task, upsampler, score and size of every entry")
    show = commands.add_parser("show", help="the card of an entry")
    show.add_argument("name")
    export = commands.add_parser("export", help="make an entry of a finished run, its card filled in from the run")
    export.add_argument("checkpoint", type=Path, metavar="RUN/best.ckpt")
    export.add_argument("--name", required=True)
    export.add_argument("--half", action="store_true", help="weights in half precision: half the size")
    export.add_argument("--licence", help="terms of the data, where they are not those of the data set")
    verify = commands.add_parser("verify", help="checksums, building, and scores again on the data that an entry names")
    verify.add_argument("name", nargs="?")
    verify.add_argument("--all", action="store_true", help="every entry")
    verify.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="where its data is here: root=FOLDER; with --all membrane.root=FOLDER",
    )
    push = commands.add_parser("push", help="copy an entry to a hub")
    push.add_argument("name")
    push.add_argument("--to", required=True, dest="hub", metavar="HUB", help="hf://user/repo or file:///folder")
    pull = commands.add_parser("pull", help="copy an entry from a hub")
    pull.add_argument("name")
    pull.add_argument("--from", required=True, dest="hub", metavar="HUB", help="these, or http://server/folder")
    return parser


def known(zoo: Path | None) -> index.Index:
    """The entries of a zoo; None: of the user's and of the project's, of which the user's hides one of its name."""
    return index.read(zoo) if zoo else index.read(PROJECTS) | index.read(own())


def listing(found: index.Index) -> str:
    """The entries of an index, a line for each, in columns."""
    rows = [("name", "task", "upsampler", "score", "MB")]
    for name, entry in found.items():
        key = next((key for key in HEADLINES if entry.scores.get(key) is not None), "")
        score = f"{key.removeprefix('test/')} {entry.scores[key]:.4g}" if key else ""
        rows.append((name, entry.task, entry.upsampler, score, f"{entry.size / 1e6:.2f}"))
    return "\n".join(columns(rows))


def value_of(text: str) -> Any:
    """What KEY=VALUE says, as in YAML. Raises ValueError for what is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"the value {text!r} cannot be read; quote it") from None


def verify_each(arguments: argparse.Namespace) -> None:
    """Verify what was asked for, a line for each; exit code 1 where anything is not as its card says."""
    from models.training.quiet import quiet
    from models.zoo.verify import verify

    quiet()
    if bool(arguments.name) == arguments.all:
        raise ValueError("verify takes a name or --all")
    changes = {key: value_of(text) for key, _, text in (each.partition("=") for each in arguments.data)}
    names, failed = list(known(arguments.zoo)) if arguments.all else [index.check_name(arguments.name)], 0
    for name in names:
        try:
            with tempfile.TemporaryDirectory() as folder:
                said = verify(
                    name,
                    arguments.zoo or zoo_of(name),
                    {k: yaml.safe_load(v) for k, v in changes.items()},
                    Path(folder),
                )
            print(f"{name}: {said}", flush=True)
        except (ValueError, OSError) as error:
            failed += 1
            print(f"{name}: FAILED: {printable(error, MAX_SENTENCE)}", flush=True)
    print(f"{len(names) - failed} of {len(names)} entries are as their cards say")
    if failed:
        raise SystemExit(1)


def to_write(arguments: argparse.Namespace) -> Path:
    """The zoo that an entry goes to. Raises ValueError where it would hide one of the project's."""
    if arguments.zoo:
        return arguments.zoo  # type: ignore[no-any-return]  # argparse declares no types
    if index.check_name(arguments.name) in index.read(PROJECTS):
        raise ValueError(f"this project's zoo has a {arguments.name}, which yours would hide; choose another name")
    return own()


def run(arguments: argparse.Namespace) -> None:
    """Carry out the parsed command. Raises ValueError for what cannot be done."""
    if arguments.command == "list":
        print(listing(known(arguments.zoo)))
    elif arguments.command == "show":
        zoo, entry = index.find(arguments.name, arguments.zoo)

        from models.zoo import entry as entries  # here, not above: it takes torch's seconds

        entries.read(zoo / arguments.name, entry)  # refuses altered files
        card = entries.stored(zoo / arguments.name, "card.md", entry.files["card.md"])
        text = card.decode(errors="backslashreplace")
        print("".join(c for c in text if c.isprintable() or c == "\n"))  # anyone's text: no escape codes
    elif arguments.command == "export":
        from models.training.quiet import quiet
        from models.zoo.from_run import export

        quiet()
        zoo = to_write(arguments)
        made = export(arguments.checkpoint, arguments.name, zoo, arguments.half, arguments.licence)
        print(f"{zoo / arguments.name}: {made.size / 1e6:.2f} MB")
    elif arguments.command == "verify":
        verify_each(arguments)
    else:
        from models.zoo import hub

        if arguments.command == "push":
            hub.push(arguments.name, arguments.hub, arguments.zoo or zoo_of(index.check_name(arguments.name)))
        else:
            hub.pull(arguments.name, arguments.hub, to_write(arguments))
        print(f"{arguments.name}: {arguments.command}ed, checksums agree")


def main(argv: list[str] | None = None) -> None:
    """Entry point; one sentence on standard error and exit code 1 for what cannot be done."""
    try:
        run(build_parser().parse_args(argv))
    except (ValueError, OSError) as error:
        say_error(error)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
