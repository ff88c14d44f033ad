"""What every data set keeps, by being there; and that nothing a configuration says is swallowed."""

import inspect
import random
import re
import struct
import subprocess
import sys
from dataclasses import fields
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import data
from data.contract import GIVEN, USERS_OWN
from plumbing.options import OptionError
from tests.tiny import CONF, configuration

NAMES = list(data.available())
MODEL = {
    "labelled_images": "unet", "images_with_values": "unet", "high_resolution_images": "espcn",
    "images_of_one_size": "dcgan",
}  # fmt: skip


def sections(name: str) -> list[tuple[str, dict[str, Any]]]:
    """The `data` section of a set as conf/ has it, for each kind that it gives."""
    kinds = data.available()[name].kinds
    return [(kind, configuration(f"data={name}", f"model={MODEL[kind]}")["data"]) for kind in kinds]


def keys(name: str) -> set[str]:
    found = data.available()[name]
    return {*found.own, *(field.name for form in found.forms for field in fields(form.Options))}


def test_the_yaml_files_are_the_sets() -> None:
    assert sorted(path.stem for path in (CONF / "data").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_the_keys_of_its_yaml_terms_and_a_way_to_each_kind(name: str) -> None:
    found = data.available()[name]
    assert len(set(found.kinds)) == len(found.kinds) > 0
    assert found.terms.endswith(".")
    for _, section in sections(name):
        assert set(section) - {"name"} == keys(name)
    parameters = [found.describe, *(form.Options for form in found.forms)]
    for parameter in (p for each in parameters for p in inspect.signature(each).parameters.values()):
        assert parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY), "it would escape the check"
        assert parameter.annotation is not parameter.empty
    assert set(inspect.signature(found.describe).parameters) - set(found.own) <= set(GIVEN)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_nobody_has_or_a_wrong_value_is_refused_in_a_sentence(name: str) -> None:
    for _, section in sections(name):
        with pytest.raises(OptionError, match=r"^data\.nobody does not exist; choose from .*batch_size"):
            data.check_section(section | {"nobody": 1})
        with pytest.raises(OptionError, match=r"^data\.batch_size must be a whole number of at least 1, not 'many'$"):
            data.check_section(section | {"batch_size": "many"})
        for key in keys(name) & {"workers", "cache", "on_error", "unlabelled", "crop", "balance"}:
            with pytest.raises(OptionError, match=rf"^data\.{key} (must be|is 'many', which does not exist)"):
                data.check_section(section | {key: "many"})
        lacking = {key: value for key, value in section.items() if key != "batch_size"}
        with pytest.raises(OptionError, match=r"^data\.batch_size is missing"):
            data.check_section(lacking)


@pytest.mark.parametrize("name", NAMES)
def test_random_options_of_every_set_are_taken_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    draw = random.Random(name)
    given = sections(name)
    for _ in range(12):
        kind, section = draw.choice(given)
        changed = section | {"root": draw.choice([None, str(tmp_path), str(tmp_path / "gone")])}
        changed = {key: value for key, value in changed.items() if key in section}
        for key in draw.sample(sorted(section), draw.randint(0, 2)):
            changed[key] = draw.choice([0, 1, -1, 0.5, 300, True, None, "many", "", [], [1, 2], {}, {"a": 1}])
        if draw.random() < 0.2:
            changed["nobody"] = 1
        changed |= {"download": False} if "download" in section else {}
        sentence = refusal(changed, kind)
        assert sentence is None or (sentence and "\n" not in sentence and len(sentence) < 1000), changed


def refusal(section: dict[str, Any], kind: Any) -> str | None:
    try:
        data.load(section, kind, seed=0)
    except ValueError as error:
        return str(error)
    return None


def test_an_unknown_set_or_kind_is_named() -> None:
    with pytest.raises(OptionError, match=r"data.name is 'camvit', which does not exist; did you mean camvid\? choose"):
        data.check_section({"name": "camvit"})
    with pytest.raises(OptionError, match=r"data.name is 'None', which does not exist; choose from ade20k"):
        data.check_section({})


def test_an_open_ended_set_cannot_be_put_into_the_table() -> None:
    with pytest.raises(
        TypeError, match=r"data set 'open' takes \*\*others.*; name each option, or a typo is swallowed"
    ):

        @data.data_set("open", terms="None.")
        def everything(root: str, **others: Any) -> Any: ...

    assert "open" not in data.available()


def test_what_is_wrong_with_a_section_is_told_without_torch() -> None:
    program = (
        "import sys, data\n"
        "try: data.check_section({'name': 'folder', 'root': None})\n"
        "except ValueError as error: print(error)\n"
        "print(sorted({'torch', 'torchvision', 'pytorch_lightning', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"data\.\w+ is missing; give it .*\n\[\]\n", printed)


def test_the_pages_of_what_nobody_published_say_so() -> None:
    assert {name for name, found in data.available().items() if found.terms == USERS_OWN} == {
        "folder",
        "pairs",
        "photos",
    }


@pytest.mark.parametrize("name", ["earth", "folder", "photos", "fashion_mnist"])
def test_what_a_loader_holds_can_be_pickled_as_macos_starts_workers(name: str, tmp_path: Path) -> None:
    for i in range(20):
        for part in ("images", "masks", "values"):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.new("L", (64, 64), i % 2).save(tmp_path / part / f"{i:02d}.png")
    for part, count in (("train", 10), ("t10k", 4)):
        head = struct.pack(">4i", 2051, count, 28, 28)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + bytes(count * 28 * 28))
    for kind, section in sections(name):
        given = {"root": str(tmp_path)} | {"workers": 2, "cache": "none"}
        small = {"crop": 32 if kind == "images_of_one_size" else 16, "batch_size": 2}
        changed = section | {key: value for key, value in (given | small).items() if key in section}
        module = data.build(changed, kind, seed=0)
        for loader in (module.train_dataloader(), module.val_dataloader()):
            assert ForkingPickler.dumps(loader.dataset)
