"""What a command can be told, from the comments in conf/: its --help, and docs/configuration.md.

python -m study.configuration > docs/configuration.md
"""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).parents[1] / "conf"
COMMANDS = {"config": "train.py", "evaluate": "evaluate.py", "export": "export.py", "check_data": "check_data.py"}
PARTS = ("common",)  # folders of what files share: not to be chosen


class Key(NamedTuple):
    """A key of a file, dotted, its value as written there, and its comment; "" where there is none."""

    name: str
    value: str
    comment: str


def keys(path: Path) -> Iterator[Key]:
    """The keys of a YAML file with their comments: what follows on their line, and the comment lines right below it.
    Hydra's own are left out."""
    lines = path.read_text(encoding="utf-8").splitlines()

    def within(node: yaml.Node, before: str) -> Iterator[Key]:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            if not before and key.value in ("defaults", "hydra"):
                continue
            name, line = f"{before}{key.value}", key.start_mark.line
            inside = isinstance(value, yaml.MappingNode) and not value.flow_style
            end = line if inside else value.end_mark.line - (value.end_mark.column == 0)
            shown = "" if inside else " ".join(written(lines, value).split())
            yield Key(name, shown, comment(lines, max(line, end)))
            yield from within(value, f"{name}.")

    root = yaml.compose("\n".join(lines), Loader=yaml.SafeLoader)
    return within(root, "") if root is not None else iter(())


def written(lines: Sequence[str], node: yaml.Node) -> str:
    """A value as the file has it."""
    first, last = node.start_mark, node.end_mark
    if first.line == last.line:
        return lines[first.line][first.column : last.column]
    rest = lines[first.line + 1 : last.line]
    return " ".join([lines[first.line][first.column :], *rest, lines[last.line][: last.column] if last.column else ""])


def comment(lines: Sequence[str], line: int) -> str:
    """The comment on a line and, where there is one, what goes on in lines of nothing else below it."""
    found = re.search(r"\s#\s?(.*)$", lines[line])
    if not found:
        return ""
    parts = [found[1]]
    indent = len(lines[line]) - len(lines[line].lstrip())
    for below in lines[line + 1 :]:
        more = re.match(r"(\s+)#\s?(.*)$", below)
        if not more or len(more[1]) <= indent:
            break
        parts.append(more[2])
    return " ".join(part.strip() for part in parts)


def head(path: Path) -> str:
    """The comment that a file begins with."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            break
        found.append(line[1:].strip())
    return " ".join(found)


def page() -> str:
    """docs/configuration.md."""
    lines = [
        "# Every choice and every key",
        "",
        "Written by `python -m study.configuration > docs/configuration.md` from the comments in `conf/`.",
        "`GROUP=CHOICE` chooses a file, `GROUP.KEY=VALUE` sets a key:",
        "`python train.py upsample=deconv upsample.kernel_size=3`.",
        "`--help` of each command shows its own.",
    ]
    for name, command in COMMANDS.items():
        lines += ["", f"## {command}", *described(CONF / f"{name}.yaml")]
    for folder in sorted(path for path in CONF.rglob("*") if path.is_dir()):
        group = folder.relative_to(CONF).as_posix()
        for path in sorted(folder.glob("*.yaml")):
            name = f"{group}/{path.stem}, a part of others" if folder.name in PARTS else f"{group}={path.stem}"
            lines += ["", f"## {name}", *described(path)]
    return "\n".join(lines) + "\n"


def described(path: Path) -> list[str]:
    """A file's comment, and a table of its keys."""
    found = list(keys(path))
    lines = ["", *textwrap.wrap(escaped(head(path)), 118)] if head(path) else []
    if found:
        lines += ["", "| key | default | |", "|---|---|---|"]
        lines += [
            f"| `{key.name}` | {f'`{cell(key.value)}`' if key.value else ''} | {escaped(cell(key.comment))} |"
            for key in found
        ]
    return lines


def cell(text: str) -> str:
    """Text in a table's cell: a bar would begin another."""
    return text.replace("|", "\\|")


def escaped(text: str) -> str:
    """Text as Markdown shows it: no HTML, no emphasis."""
    return re.sub(r"([<>*_])", r"\\\1", text)


def show_help(config: str, words: Sequence[str]) -> str:
    """What --help of a command prints: its lines, its groups and their choices, and its keys with their comments, as
    the choices among `words` make them."""
    GlobalHydra.instance().clear()
    chosen = [word for word in words if "=" in word]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose(config, chosen, return_hydra_config=True)
    choices = {group.partition("@")[0]: name for group, name in composed.hydra.runtime.choices.items()}
    own = {group: name for group, name in choices.items() if not group.startswith("hydra/")}
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    told: Any = OmegaConf.to_container(composed.hydra.help, resolve=False)
    lines = [told["header"], "", told["template"].strip("\n"), ""]
    offered = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in own}
    offered = {group: names for group, names in offered.items() if len(names) > 1 and group.split("/")[-1] not in PARTS}
    if offered:
        lines += ["Groups and their choices"]
    for group in sorted(offered):
        text = f"{group}={own[group] or 'null'}, or: {', '.join(name for name in offered[group] if name != own[group])}"
        lines += textwrap.wrap(text, width, initial_indent="  ", subsequent_indent=" " * 6)
    lines += ["", "Keys, as composed"] if offered else ["Keys, as composed"]
    lines += listed(composed, comments_of(config, own), width)
    footer = told["footer"] or ""
    lines += ["", *([] if "hydra" in footer.lower() else footer.splitlines())]
    command = f"{'train' if config == 'config' else config}.py"
    shell = f'eval "$(python {command} --shell-completion install=bash)" completes what is typed'
    lines += textwrap.wrap(f"--help GROUP=CHOICE shows the keys of another choice; {shell}.", width)
    return "\n".join(lines)


def comments_of(config: str, own: dict[str, str]) -> dict[str, str]:
    """The comment of each dotted key, of the files that were chosen: a group's, and those whose parts it shares."""
    found = {key.name: key.comment for key in keys(CONF / f"{config}.yaml")}
    for group in sorted(own, key=lambda group: group.split("/")[-1] not in PARTS):  # a choice's own words come last
        section, _, rest = group.partition("/")
        before = f"{section}.{rest}." if rest == "augment" else f"{section}."
        for name in ("none", own[group]) if rest == "augment" else (own[group],):  # which explains every key
            path = CONF / group / f"{name}.yaml"
            if path.is_file():
                found |= {f"{before}{key.name}": key.comment for key in keys(path) if key.comment}
    return found


def listed(composed: DictConfig, comments: dict[str, str], width: int) -> Iterator[str]:
    """Each key as it is typed with its value, and its comment beside or below it."""
    values: Any = OmegaConf.to_container(composed, resolve=False)
    for name, value in flat({key: value for key, value in values.items() if key != "hydra"}):
        text = f"  {name}={'null' if value is None else str(value).lower() if isinstance(value, bool) else value}"
        told = comments.get(name, "")
        if told and len(text) < 40:
            yield from textwrap.wrap(told, width, initial_indent=f"{text:40}", subsequent_indent=" " * 40)
        else:
            yield text
            yield from textwrap.wrap(told, width, initial_indent=" " * 40, subsequent_indent=" " * 40)


def flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


if __name__ == "__main__":
    print(page(), end="")
