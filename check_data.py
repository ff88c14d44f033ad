"""What is in your data, and is it sound: counts, sizes, classes, doubtful masks, and a picture to look at.

    python check_data.py data=folder data.root=path/to/folder

Takes the choices that train.py takes. Ends with exit code 1 where train.py would refuse the data, in the same words.
"""

from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import data
from data.forms import Kind
from plumbing.messages import say_error
from study import command_line, run_folder
from study.identity import data_name, plain

# Everything is looked at once, whatever the configuration would do about it.
LOOKING = {"on_error": "skip", "cache": "none", "crops_per_image": 1, "absent_classes": "keep"}
KINDS: dict[str, Kind] = {  # of data, by the task that asks for them; models.tasks says it, too, but is slow to import
    "segmentation": "labelled_images",
    "regression": "images_with_values",
    "super_resolution": "high_resolution_images",
    "gan": "images_of_one_size",
}

OmegaConf.register_new_resolver("data_name", lambda *, _root_: data_name(_root_.data), replace=True)


@hydra.main(version_base="1.3", config_path="conf", config_name="check_data")
def main(config: DictConfig) -> None:
    """Check, print what was found, leave contact_sheet.png."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with run_folder.one_sentence(config.debug), run_folder.no_folder_of_nothing(folder):
        sound = run(plain(config), folder)
    if not sound:
        raise SystemExit(1)


def run(config: dict[str, Any], folder: Path) -> bool:
    """Check the data of a configuration, with contact_sheet.png in `folder`; returns whether train.py would take it."""
    data.check_section(config["data"])
    print(command_line.IMPORTING_TORCH, flush=True)
    from data.check.contact_sheet import contact_sheet  # here, not above, so that --help and a typo answer at once
    from data.check.survey import absent, print_tables, survey
    from data.loading.labelled import refuse_absent

    options = config["data"] | {key: value for key, value in LOOKING.items() if key in config["data"]}
    kinds, wanted = data.available()[options["name"]].kinds, KINDS[config["task"]["name"]]
    kind = wanted if wanted in kinds else kinds[0]
    try:
        loaded = data.load(options, kind, config["seed"])
    except ValueError:  # so much is skipped that nothing is left: train.py would name the first file
        data.load(config["data"], kind, config["seed"])
        raise
    found = survey(loaded)
    contact_sheet(folder / "contact_sheet.png", loaded)
    print_tables(loaded, found)
    print(folder / "contact_sheet.png")
    refused = loaded.skipped if config["data"].get("on_error", "raise") == "raise" else []
    for sentence in refused:
        say_error(sentence)
    if not refused and kind == "labelled_images":
        refuse_absent(absent(loaded.info, found), config["data"].get("absent_classes", "keep"))
    return not refused


if __name__ == "__main__":
    command_line.start(main, "check_data")
