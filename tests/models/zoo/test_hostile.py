"""Files made to do harm: none runs anything, each is refused in one sentence, and soon."""

import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from models import loading
from models.zoo import entry, hub, index

Make = Callable[[Path, str, dict[str, bytes]], Path]
CHAIN = {
    "_target_": "functools.partial",
    "_args_": [{"_target_": "hydra.utils.get_method", "path": "os.system"}, "COMMAND"],
}
BILLION = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefghi"
)
DEEP = b"model: " + b"{a: " * 10_000 + b"1" + b"}" * 10_000
WIDE = b"model:\n" + b"".join(b"  key%d: {a: 1}\n" % i for i in range(1_000_000))


class Payload:
    """Runs a command when it is unpickled by anything that lets it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Whatever runs would make this file; afterwards it must not be there."""
    return tmp_path / "canary"


def refused(what: Callable[[], Any], canary: Path) -> str:
    """The sentence with which `what` is refused within ten seconds; nothing ran."""
    started = time.perf_counter()
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the sentence is what is returned)
        what()
    assert time.perf_counter() - started < 10
    assert not canary.exists()
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 500
    return sentence


def with_config(files: dict[str, bytes], changes: dict[str, Any]) -> dict[str, bytes]:
    config = yaml.safe_load(files["config.yaml"])
    for section, change in changes.items():
        added = isinstance(change, dict) and "family" not in change  # another family has other keys
        config[section] = config[section] | change if added else change
    return files | {"config.yaml": yaml.safe_dump(config).encode()}


# ---- checkpoints


def pickled(path: Path, payload: Payload, good: Path) -> None:
    path.write_bytes(pickle.dumps(payload))


def in_state_dict(path: Path, payload: Payload, good: Path) -> None:
    torch.save(torch.load(good, weights_only=True) | {"state_dict": {"network.head.weight": payload}}, path)


def in_config(path: Path, payload: Payload, good: Path) -> None:
    torch.save(torch.load(good, weights_only=True) | {"config": payload}, path)


def legacy(path: Path, payload: Payload, good: Path) -> None:
    torch.save({"state_dict": {}, "config": payload}, path, _use_new_zipfile_serialization=False)


def zip_bomb(path: Path, payload: Payload, good: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("best/data.pkl", pickle.dumps(payload))
        archive.writestr("best/data/0", bytes(10_000_000))


@pytest.mark.parametrize("make", [pickled, in_state_dict, in_config, legacy, zip_bomb])
def test_a_checkpoint_with_a_payload_is_refused(
    make: Callable[[Path, Payload, Path], None], saved_run: Any, canary: Path, tmp_path: Path
) -> None:
    payload = Payload(f"touch '{canary}'")
    os.system(payload.command)  # the payload works
    assert canary.exists()
    canary.unlink()
    make(tmp_path / "bad.ckpt", payload, saved_run("segmentation")[1])
    sentence = refused(lambda: loading.load(tmp_path / "bad.ckpt"), canary)
    assert "no checkpoint of plain values and tensors" in sentence or "is compressed" in sentence


# ---- configurations of an entry


@pytest.mark.parametrize(("changes", "reason"), [
    ({"model": {"_target_": "os.system", "command": "COMMAND"}}, "_target_"),
    ({"upsample": {"_target_": "logging.os.system", "command": "COMMAND"}}, "_target_"),
    ({"encoder": CHAIN}, "encoder._args_ does not exist"),
    ({"model": {"name": "builtins.eval"}}, "model.name is 'builtins.eval', which does not exist"),
    ({"upsample": {"name": "os.system"}}, "upsample.name is 'os.system', which does not exist"),
    ({"encoder": {"family": "functools.partial"}}, "encoder.family is 'functools.partial', which does not exist"),
    ({"task": {"name": "itertools.accumulate"}}, "task.name is 'itertools.accumulate', which does not exist"),
    ({"encoder": {"family": "timm", "name": "hf_hub:somebody/something"}}, "is no backbone of timm"),
    ({"encoder": {"width": 10**9}}, "beyond the 4096"),
    ({"encoder": {"width": 4096, "depth": 30}}, "parameters; 9,649 are stored"),
    ({"model": {"channels": [[[[[[[[1]]]]]]]]}}, "more than 8 levels"),
    ({"model": "os.system"}, "no section 'model' with a name"),
    ({"mean": "COMMAND"}, "no 'mean' that is a list"),
])  # fmt: skip
def test_a_configuration_that_names_code_or_asks_for_too_much_is_refused(
    zoo: Path, files: dict[str, bytes], make_entry: Make, canary: Path, changes: dict[str, Any], reason: str
) -> None:
    changes = json.loads(json.dumps(changes).replace("COMMAND", f"touch {canary}"))
    make_entry(zoo, "bad", with_config(files, changes))
    assert reason in refused(lambda: entry.load("bad", zoo), canary)


@pytest.mark.parametrize(("config", "reason"), [
    (b"model: !!python/object/apply:os.system ['touch CANARY']", "it has the tag"),
    (b"model: !!python/name:os.system", "it has the tag"),
    (BILLION, "it has aliases"),
    (DEEP, "it has more than 10 levels"),
    (WIDE, "is larger than the 65,536 bytes"),
    (b"model: {a: 1, a", "no YAML"),
    (b"\xff\xfe", "no YAML"),
    (b"- 1", "not a table of sections"),
])  # fmt: skip
def test_yaml_that_names_objects_or_grows_is_refused(
    zoo: Path, files: dict[str, bytes], canary: Path, config: bytes, reason: str
) -> None:
    (zoo / "small" / "config.yaml").write_bytes(config.replace(b"CANARY", str(canary).encode()))
    (zoo / "index.yaml").unlink()  # read by path, without the index whose checksum would refuse it at once
    assert reason in refused(lambda: loading.load(zoo / "small"), canary)


# ---- weights


@pytest.mark.parametrize("weights", [
    struct.pack("<Q", 2**62) + b"{}",  # a header longer than any file
    struct.pack("<Q", 50_000) + b"{}",  # longer than this one
    struct.pack("<Q", 75) + b'{"head.weight":{"dtype":"F32","shape":[1000,1000],"data_offsets":[0,4000]}}'.ljust(75),
    pickle.dumps(Payload("touch canary")),
    b"",
])  # fmt: skip
def test_weights_whose_header_lies_are_refused(zoo: Path, canary: Path, weights: bytes) -> None:
    (zoo / "small" / "model.safetensors").write_bytes(weights)
    (zoo / "index.yaml").unlink()
    assert "is no whole safetensors file" in refused(lambda: loading.load(zoo / "small"), canary)


# ---- files and indices


def test_a_changed_file_is_refused_by_its_checksum(zoo: Path, canary: Path) -> None:
    path = zoo / "small" / "model.safetensors"
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)
    assert "its size or SHA-256 differs" in refused(lambda: loading.load(zoo / "small"), canary)
    assert "its size or SHA-256 differs" in refused(lambda: entry.load("small", zoo), canary)


@pytest.mark.parametrize("linked", ["model.safetensors", "config.yaml", ""])
def test_a_symbolic_link_is_refused(zoo: Path, tmp_path: Path, canary: Path, linked: str) -> None:
    path = zoo / "small" / linked if linked else zoo / "small"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in refused(lambda: entry.load("small", zoo), canary)


@pytest.mark.parametrize("name", ["../small", "/etc", "a/b", "..", ".hidden", "a..b", "", "a\nb", "x" * 101])
def test_a_name_that_is_a_path_is_refused_wherever_it_stands(zoo: Path, canary: Path, name: str) -> None:
    refused(lambda: entry.load(name, zoo), canary)
    refused(lambda: hub.pull(name, f"file://{zoo}", zoo), canary)
    found = yaml.safe_load((zoo / "index.yaml").read_text())
    (zoo / "index.yaml").write_text(yaml.safe_dump({name: found["small"]}))
    assert "is no name of a zoo entry" in refused(lambda: index.read(zoo), canary)


@pytest.mark.parametrize("file", ["../../canary", "/etc/passwd", "model.pkl", "sub/model.safetensors"])
def test_an_index_that_names_another_file_is_refused(zoo: Path, canary: Path, file: str) -> None:
    found = yaml.safe_load((zoo / "index.yaml").read_text())
    found["small"]["files"][file] = found["small"]["files"].pop("model.safetensors")
    (zoo / "index.yaml").write_text(yaml.safe_dump(found))
    assert "exactly the files" in refused(lambda: hub.pull("small", f"file://{zoo}", zoo.parent / "mine"), canary)


@pytest.mark.parametrize(("change", "reason"), [
    ({"size": 10**15}, "a size that is not"),
    ({"size": -1}, "a size that is not"),
    ({"sha256": "0" * 63}, "no SHA-256"),
    ({"url": "http://elsewhere"}, "does not give size and sha256"),
])  # fmt: skip
def test_an_index_with_impossible_numbers_is_refused(
    zoo: Path, canary: Path, change: dict[str, Any], reason: str
) -> None:
    found = yaml.safe_load((zoo / "index.yaml").read_text())
    found["small"]["files"]["model.safetensors"] |= change
    (zoo / "index.yaml").write_text(yaml.safe_dump(found))
    assert reason in refused(lambda: index.read(zoo), canary)


def test_escape_codes_do_not_reach_the_terminal(zoo: Path, canary: Path) -> None:
    found = yaml.safe_load((zoo / "index.yaml").read_text())
    found["small"]["upsampler"] = "\x1b]0;owned\x07"
    (zoo / "index.yaml").write_text(yaml.safe_dump(found))
    refused(lambda: index.read(zoo), canary)
