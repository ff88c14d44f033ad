"""What a user types, before Hydra reads it and after Hydra has refused it: paths of any name, and one sentence.

A command calls `start(main, "config")`. Nothing here needs torch.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from models.zoo import folders
from plumbing.messages import say_error, starved
from plumbing.options import MOVED, near
from study import streams
from study.configuration import show_help

IMPORTING_TORCH = "Importing torch ..."  # seconds on a cold disk: a command says so before it does
CONF = Path(__file__).parents[1] / "conf"
# Whatever stands behind one of these is a path, or a name such as zoo:NAME, and not Hydra's to take apart.
PATHS = ("checkpoint", "output", "repair_images", "root", "test_root", "dir", "init")


def start(main: Callable[[], Any], config: str) -> None:
    """Run a command with what was typed; what Hydra refuses is one sentence and exit code 1.

    config  the name of its configuration in conf/
    """
    streams.unblock()
    sys.argv[1:] = quoted(sys.argv[1:])
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # has Hydra raise what it would print in its own way
    try:
        if {"--help", "-h"} & set(sys.argv[1:]):  # of the command alone; Hydra's, of itself as well, is --hydra-help
            print(show_help(config, sys.argv[1:]))
            return
        main()
    except (HydraException, OmegaConfBaseException) as error:
        if any(re.fullmatch(r"\+*debug=true", word, re.IGNORECASE) for word in sys.argv[1:]):
            raise
        say_error(starved(error) or sentence(error, sys.argv[1:], config))
        raise SystemExit(1) from None


def quoted(words: Sequence[str]) -> list[str]:
    """The words of a command line, with ~ expanded in paths, and quotes around paths that Hydra would take apart."""
    sweeps = any(word in ("-m", "--multirun") for word in words)
    return [quoted_word(word, sweeps) for word in words]


def quoted_word(word: str, sweeps: bool) -> str:
    """One word: an override whose value is a path is quoted, unless it is so already or, in a sweep, lists several."""
    key, equals, value = word.partition("=")
    if not equals or key.lstrip("+").rpartition(".")[2] not in PATHS or value in ("", "null", "???"):
        return word
    if value[0] in "'\"" or (value.startswith(("${", "[", "{")) and not os.path.exists(value)):
        return word
    if value.startswith("~"):
        value = os.path.expanduser(value)
    several = "," in value or value.startswith(("glob(", "choice("))
    if sweeps and several and not os.path.exists(value):
        return f"{key}={value}"
    return f"{key}={literal(value)}"


def literal(value: str) -> str:
    """Text in quotes, as Hydra's grammar takes it for one value, whatever is in it."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
    return "'" + escaped.replace("${", "\\${") + "'"


def sentence(error: Exception, words: Sequence[str], config: str) -> str:
    """What Hydra refused, in one sentence with what would work."""
    text = str(error)
    if found := re.search(r"Could not (?:override|append to config|delete)[^']*'([^']+)'", text):
        return unknown_key(found[1], words, config)
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        return unknown_choice(found[1], found[2])
    for word in words:
        if "=" in word and not readable(word):
            return unreadable(word)
    if found := re.search(r"Error parsing override '(.*)'", text):
        return unreadable(found[1])
    if found := re.search(r"(?:Key|Interpolation key) '([^']+)' (?:is not in struct|not found)", text):
        return unknown_key(found[1], words, config)
    return " ".join(text.split())[:600]


def unreadable(override: str) -> str:
    """That an override cannot be read, and how it would be quoted."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"'{override}' is no KEY=VALUE; --help lists groups, choices and keys"
    inner = value.replace("'", "\\'")
    return f"the value of {key} cannot be read as it is; quote it for the shell and for Hydra: \"{key}='{inner}'\""


def readable(word: str) -> bool:
    """Whether Hydra can read an override."""
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def refuse_absent(checkpoint: str) -> None:
    """Raise ValueError where there is plainly no such checkpoint or entry of the zoo, before torch is imported."""
    name = checkpoint.removeprefix("zoo:")
    if name == checkpoint:
        if not os.path.exists(checkpoint):
            raise ValueError(f"there is no checkpoint {checkpoint}; name a file, a folder of a zoo, or zoo:NAME")
        return
    known = folders.names()
    if name not in known:
        hint = near(name, known) or "; python -m models.zoo list shows what there is"
        raise ValueError(f"the zoo has no {name[:100]!r}{hint}")


def unknown_choice(group: str, choice: str) -> str:
    """That a group has no such choice, and which it has."""
    known = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    return f"{group}={choice} does not exist{near(choice, known) or ';'} choose from {', '.join(known)}"


def unknown_key(key: str, words: Sequence[str], config: str) -> str:
    """That there is no such key, and which is near."""
    section, _, last = key.rpartition(".")
    if key in MOVED:
        return f"{key} is now {MOVED[key]}"
    found: Any = composed(words, config)
    for part in section.split(".") if section else ():
        found = found.get(part) if isinstance(found, DictConfig) else None
    if not isinstance(found, DictConfig):
        top = list(map(str, composed(words, config)))
        return f"{key} does not exist: there is no section {section}{near(section, top)}"
    if last in found:  # but not where a sweep chooses something else
        choices = [word.partition("=")[2].split(",") for word in words if word.startswith(f"{section}=")]
        without = [each for some in choices for each in some if last not in chosen_section(section, each, config)]
        if without:
            return f"{key} does not exist with {section}={', '.join(without)}; leave those to a sweep of their own"
    groups = [path.name for path in CONF.iterdir() if path.is_dir()] if not section else []
    known = sorted({*map(str, found), *groups} - {"hydra"})
    where = f"{section} has" if section else "there are"
    return f"{key} does not exist{near(last, known) or ';'} {where} {', '.join(known)}"


def chosen_section(section: str, choice: str, config: str) -> Any:
    """A section of the configuration with one of its choices."""
    return composed([f"{section}={choice}"], config).get(section) or {}


def composed(words: Sequence[str], config: str) -> DictConfig:
    """The configuration with the choices of groups that are typed, as far as they exist."""
    chosen = []
    for word in words:
        group, _, choice = word.partition("=")
        if (CONF / group / f"{choice}.yaml").exists():
            chosen.append(word)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(config, chosen)
    except (HydraException, OmegaConfBaseException):  # the choices do not go together
        return OmegaConf.create()
