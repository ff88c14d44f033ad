"""Checkpoints and zoo entries changed by somebody who wants them believed: right digests over wrong contents.

    python tests/mutated.py COUNT SEED ORIGINAL FOLDER

makes mutants of a checkpoint or of a zoo entry's folder, loads each and has it compute, and prints as JSON how many
were used, as what was changed does not matter to them, how many were refused in one sentence, and how many did anything
else, of which each is named. Exit code 1 where any did.
"""

import contextlib
import copy
import io
import json
import pickletools
import random
import sys
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from models import loading
from models.trained.saved import Trained
from models.training.digest import seal
from models.zoo import __main__ as commands
from models.zoo import entry, index

Members = dict[str, bytes]

# fmt: off
TEXT = ["", "x" * 10_000, "\x1b]0;owned\x07", "a\nb", "\u202eabc", "\ud800", "../../x", "unet", "$\\frac{", "[/b]", "1"]
NUMBERS: list[Any] = [0, -1, 1, 2, 255, 256, 4096, 2**31, 2**63, 10**400, 0.0, -0.5, 0.5, 1e308, True, False, None,
                      float("nan"), float("inf"), -float("inf")]
OTHERS: list[Any] = [[], {}, [[]], [1, [2]], {"name": "unet"}, {1: 2}, (1, 2), {3}, b"x", 1j, torch.zeros(2),
                     torch.float16]
DTYPES = ["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "BF16", "I16", "U16", "U32", "U64", "C64", "BOOL", "I8",
          "F64", "X", ""]  # of safetensors
# fmt: on


def quantised(values: torch.Tensor) -> torch.Tensor:
    """Of a kind that torch makes no more, in a while, but still finds in files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(values, 0.1, 0, torch.quint8)


def strange_tensors(like: torch.Tensor) -> list[Any]:
    """What may stand for weights of this shape, and is none."""
    flat = like.float()
    made: list[Any] = [
        flat * float("nan"), flat * float("inf"), flat.to(torch.complex64), flat.to("meta"), flat.to_sparse(),
        flat.to(torch.float8_e4m3fn), flat.to(torch.float8_e5m2), flat.to(torch.int64), flat.bool(), flat.half(),
        flat.bfloat16(), flat.double(), flat.to(torch.uint16), flat.to(torch.uint32), flat.to(torch.uint64), flat[None],
        flat.reshape(-1)[:0], torch.zeros(()).expand_as(flat), torch.zeros(()).expand(10**6, 10**6),
        torch.empty(2**40, device="meta"), flat * 1e38, -flat.abs() - 1, None, 1.0, "text", [1.0], {}, flat.reshape(-1),
        torch.nn.Parameter(flat), quantised(flat),
    ]  # fmt: skip
    if like.ndim == 2:
        made.append(flat.to_sparse_csr())
    return made


def members_of(path: Path) -> Members:
    """The parts of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}


def write_members(path: Path, members: Members) -> None:
    """A checkpoint of these parts, whose digest is right."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with path.open("r+b") as file:
        seal(file)


def broken(content: bytes, draw: random.Random) -> bytes:
    """One to three flaws: bits, bytes, pieces lost, doubled, put in, or moved."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        at, length = draw.randrange(len(data)), draw.choice((1, 1, 2, 4, 16, 64))
        kind = draw.randrange(6)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.randrange(256)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = draw.randbytes(length)
        elif kind == 4:
            data[at:at] = data[at : at + length]
        else:
            piece = data[at : at + length]
            to = draw.randrange(len(data))
            data[to : to + len(piece)] = piece
        data = data or bytearray(b".")
    return bytes(data)


def other_operation(content: bytes, draw: random.Random) -> bytes:
    """One operation of the pickle replaced by the code of another."""
    places = [place for _, _, place in pickletools.genops(content) if place is not None]
    data = bytearray(content)
    data[draw.choice(places)] = ord(draw.choice(pickletools.opcodes).code.encode("latin-1"))
    return bytes(data)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values in nested tables and lists."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places_in(item, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> None:
    for key in path[:-1]:
        value = value[key]
    change(value, path[-1])


def other_value(stored: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """One or two values of the configuration replaced, lost, or renamed."""
    stored = stored | {"config": copy.deepcopy(stored["config"])}
    for _ in range(draw.randint(1, 2)):
        places = places_in(stored["config"])
        if not places:
            break
        path, new = draw.choice(places), draw.choice([*TEXT, *NUMBERS, *OTHERS])
        kind = draw.randrange(4)

        def change(where: Any, key: Any, kind: int = kind, new: Any = new) -> None:
            if kind == 0:
                del where[key]
            elif kind == 1 and isinstance(where, dict):
                where[draw.choice(TEXT)] = where.pop(key)
            else:
                where[key] = new

        changed(stored["config"], path, change)
    return stored


def other_weights(stored: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """One of the weights replaced by what is none."""
    weights = dict(stored["state_dict"])
    key = draw.choice(list(weights))
    kind = draw.randrange(8)
    if kind == 0:
        del weights[key]
    elif kind == 1:
        weights[draw.choice([*TEXT, "network.x", "network.\x1b[2J"])] = weights[key]
    else:
        weights[key] = draw.choice(strange_tensors(weights[key]))
    return stored | {"state_dict": weights}


def other_top(stored: dict[str, Any], draw: random.Random) -> Any:
    """A section of the checkpoint replaced or lost, or the whole."""
    if draw.randrange(8) == 0:
        return draw.choice([*OTHERS, *NUMBERS])
    stored = dict(stored)
    key = draw.choice(list(stored))
    if draw.randrange(2):
        del stored[key]
    else:
        stored[key] = draw.choice([*OTHERS, *NUMBERS, *TEXT])
    return stored


def mutant(original: Path, path: Path, draw: random.Random) -> str:
    """Write a mutant; returns its kind."""
    kind = draw.choice(["bytes of the pickle"] * 4 + ["an operation", "bytes of a part", "configuration",
                        "configuration", "weights", "weights", "sections"])  # fmt: skip
    if kind in ("bytes of the pickle", "an operation", "bytes of a part"):
        members = members_of(original)
        (pickle,) = (name for name in members if name.endswith("/data.pkl"))
        name = draw.choice(list(members)) if kind == "bytes of a part" else pickle
        members[name] = (other_operation if kind == "an operation" else broken)(members[name] or b".", draw)
        write_members(path, members)
        return kind
    stored = torch.load(original, weights_only=True)
    how = {"configuration": other_value, "weights": other_weights, "sections": other_top}[kind]
    file = io.BytesIO()
    torch.save(how(stored, draw), file)
    path.write_bytes(file.getvalue())
    with path.open("r+b") as opened:
        seal(opened)
    return kind


def other_header(content: bytes, draw: random.Random) -> bytes:
    """Weights of a zoo entry whose header says something else of one of them."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    key = draw.choice(list(header))
    kind, described = draw.randrange(6), header[key]
    if kind == 0:
        header[draw.choice([*TEXT[:5], "a\x1b[2J"])] = header.pop(key)
    elif kind == 1:
        header["__metadata__"] = draw.choice([{"a": "\x1b[2J"}, {"a": 1}, [], None])
    else:
        change: tuple[str, Any] = {
            2: ("dtype", draw.choice(DTYPES)),
            3: ("shape", draw.choice([[], [0], [-1], [2**62, 4], [1, 1], ["x"], None, [1e9]])),
            4: ("data_offsets", draw.choice([[0, 0], [10, 5], [0, 2**60], [-4, 0], None, [0], [0, 4]])),
            5: (draw.choice(list(described)), draw.choice([None, [], {}, "x", 1, -1])),
        }[kind]
        described[change[0]] = change[1]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def entry_mutant(original: Path, zoo: Path, draw: random.Random) -> str:
    """Write a zoo of one entry, `bad`, whose checksums are right for three kinds in four; returns the kind."""
    files = {name: (original / name).read_bytes() for name in index.FILES}
    kind = draw.choice(["a header", "a header", "weights", "configuration", "card", "index"])
    if kind == "a header":
        files["model.safetensors"] = other_header(files["model.safetensors"], draw)
    elif kind == "weights":
        start = files["model.safetensors"][:4000]
        files["model.safetensors"] = broken(start, draw) + files["model.safetensors"][4000:]
    elif kind != "index":
        name = "card.md" if kind == "card" else "config.yaml"
        files[name] = broken(files[name], draw)
    (zoo / "bad").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (zoo / "bad" / name).write_bytes(content)
    index.write(zoo, {"bad": index.Entry("segmentation", "deconv", {"test/miou": 0.5}, entry.measured(zoo / "bad"))})
    if kind == "index":
        (zoo / "index.yaml").write_bytes(broken((zoo / "index.yaml").read_bytes(), draw))
    return kind


def show_and_use(zoo: Path) -> None:
    """List a zoo, show its entry `bad`, and have it compute. Raises RuntimeError where what is shown does more."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for words in (["list"], ["show", "bad"]):
            commands.run(commands.build_parser().parse_args(["--zoo", str(zoo), *words]))
    if not said.getvalue().replace("\n", "").isprintable():
        raise RuntimeError("what is shown acts on the terminal")
    use(zoo / "bad")


@torch.no_grad()
def use(path: Path) -> Trained:
    """Load a network, and have it compute."""
    net = loading.load(path)
    if net.latent is not None:
        net(torch.zeros(1, net.latent))
    else:
        net(torch.zeros(1, net.channels, 16, 16, dtype=torch.uint8))
    return net


def what_came(work: Callable[[], Any]) -> str:
    """used, refused, or what is wrong."""
    try:
        work()
    except (ValueError, OSError) as error:
        sentence = str(error)
        if isinstance(error, UnicodeError) or type(error).__name__ == "JSONDecodeError":
            return f"a bare {type(error).__name__}: {sentence[:100]!r}"
        if len(sentence) > 600 or not sentence.isprintable():
            return f"no sentence: {sentence[:300]!r}"
        return "refused"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {where.filename.rpartition('/')[2]}:{where.lineno}: {str(error)[:120]!r}"
    return "used"


def main(count: int, seed: int, original: Path, folder: Path) -> int:
    """See the module."""
    found: Counter[str] = Counter()
    slowest = 0.0
    for i in range(count):
        draw = random.Random(f"{seed}-{i}")
        if original.is_dir():
            kind, work = entry_mutant(original, folder / "zoo", draw), partial(show_and_use, folder / "zoo")
        else:
            kind, work = mutant(original, folder / "mutant.ckpt", draw), partial(use, folder / "mutant.ckpt")
        began = time.perf_counter()
        came = what_came(work)
        slowest = max(slowest, time.perf_counter() - began)
        found[came] += 1
        if came not in ("used", "refused"):
            print(f"{i} ({kind}): {came}", file=sys.stderr, flush=True)
    wrong = count - found["used"] - found["refused"]
    print(json.dumps({"mutants": count, "used": found["used"], "refused": found["refused"], "wrong": wrong,
                      "slowest_s": round(slowest, 2)}))  # fmt: skip
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])))
