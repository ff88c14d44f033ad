"""The card of an entry: what was trained on what and how, how good it is, and how to do it again."""

import math
from typing import Any

import yaml

from data.contract import USERS_OWN, available
from models.tasks.score_rows import row
from models.zoo.index import File

SENTENCES = {"test/pattern": "Pattern", "test/content": "Content"}


def number(value: float | None) -> str:
    """Four digits, or that a class is absent."""
    return "absent" if value is None or math.isnan(value) else f"{value:.4g}"


def score_rows(measured: dict[str, Any], trained: dict[str, Any]) -> list[str]:
    """A row for each score: of these weights in float32, beside what training wrote, and beside noise."""
    rows = []
    for key, value in measured.items():
        if not key.startswith("test/") or key.endswith("/null") or isinstance(value, str):
            continue
        floor = measured.get(f"{key}/null")
        beside = "" if floor is None else f"noise {number(floor)}"
        baseline = measured.get(key.replace("test/", "baseline/", 1))
        if baseline is not None:
            beside = f"{measured['baseline']} {number(baseline)}"
        before = number(trained[key]) if key in trained else ""
        rows.append(f"| `{key.removeprefix('test/')}` | {number(value)} | {before} | {beside} |")
    return rows


def definitions(measured: dict[str, Any]) -> list[str]:
    """What the scores mean, each once."""
    found = dict.fromkeys(filter(None, (row(key) for key in measured if key.startswith("test/"))))
    return [f"- `{each.name}`: {each.meaning}" for each in found]


def card(
    name: str,
    config: dict[str, Any],
    command: str,
    measured: dict[str, Any],
    trained: dict[str, Any],
    files: dict[str, File],
    half: bool,
    licence: str | None,
) -> str:
    """The card as Markdown, with the front matter that model hubs read.

    config    as `models.trained.saved.Saved` describes
    command   that trained it
    measured  scores of the entry's own weights in float32, keyed as in metrics.json
    trained   metrics.json of the run
    files     the entry's other files; half: whether weights are stored in half precision
    licence   of the data; None: those of the data set
    """
    task, source = config["task"]["name"], config["data"]["name"]
    terms = licence or (available()[source].terms if source in available() else USERS_OWN)
    recipe = {key: config[key] for key in ("model", "encoder", "upsample", "task", "data") if key in config}
    front = {
        "library_name": "evenly",
        "tags": [task.replace("_", "-"), config["model"]["name"], config["upsample"]["name"]],
    }
    beside = " with the discriminator" if task == "gan" else ""
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False).rstrip(),
        "---",
        f"# {name}",
        "",
        f"{config['model']['name']} with `{config['upsample']['name']}`, {trained['parameters']:,} parameters"
        f"{beside}, for {task.replace('_', '-')}; trained on {source}, seed {config['seed']}.",
        "",
        "![what it makes of test data](preview.png)",
        "",
        "```python",
        "from models import zoo",
        f'net = zoo.load("{name}")',
        *(
            [f"net(torch.randn(1, net.latent), torch.tensor([0]))  # of the first class: {config['classes'][0]}"]
            if task == "gan" and config.get("classes")
            else []
        ),
        "```",
        "",
        "## Data",
        "",
        f"`{source}`. Terms: {terms} These hold for the weights too, as far as weights are derived from data.",
        "",
        "## Training",
        "",
        "```",
        command,
        "```",
        "",
        f"On {trained.get('machine', 'a machine that the run did not record')}, in {trained['seconds']:.0f} s, "
        f"precision {trained['precision']}. What it resolves to:",
        "",
        "```yaml",
        yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, width=110).rstrip(),
        "```",
        "",
        "## Scores",
        "",
        f"On the test split, of the weights as stored ({'float16' if half else 'float32'}) computing in float32 on "
        f"{measured['machine']}; beside it what the run wrote when it ended.",
        "",
        *(f"**{title}**: {measured[key]}.\n" for key, title in SENTENCES.items() if key in measured),
        "| score | stored weights | run | beside it |",
        "|---|---|---|---|",
        *score_rows(measured, trained),
        "",
        *definitions(measured),
        "",
        "`noise`: the 95th percentile of a classical measure on plain 1/f noise; `/p2` is the measure at period 2. The "
        "verdict is the pattern's.",
        "",
        "## Files",
        "",
        "| file | bytes | SHA-256 |",
        "|---|---|---|",
        *(f"| {key} | {file.size:,} | `{file.sha256}` |" for key, file in files.items()),
    ]
    return "\n".join(lines) + "\n"
