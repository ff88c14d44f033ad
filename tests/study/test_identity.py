from pathlib import Path

import pytest
from omegaconf import OmegaConf

from study import identity
from tests.tiny import composed, configuration

CONFIG = {
    "model": {"name": "unet"},
    "data": {"name": "earth", "crop": 128},
    "upsample": {"name": "deconv"},
    "seed": 3,
    "resume": "auto",
    "debug": False,
}


def name(**changes: object) -> str:
    return identity.name(OmegaConf.create(CONFIG | changes))


def test_the_same_configuration_has_the_same_name_and_another_another() -> None:
    assert name() == name()
    assert name().startswith("unet-earth-deconv-3-")
    assert not set("=, /") & set(name())
    assert name(data={"name": "earth", "crop": 64}) != name()
    assert name(debug=True) == name()
    assert name(trainer={"max_epochs": 2}) != name(trainer={"max_epochs": 1})


def test_a_folder_of_ones_own_is_called_by_its_name_and_its_run_is_found_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("my cells", "moved"):
        (tmp_path / folder).mkdir()
    first, moved = (name(data={"name": "folder", "root": str(tmp_path / folder)}) for folder in ("my cells", "moved"))
    assert first.startswith("unet-my_cells-deconv-3-")
    assert moved.startswith("unet-moved-deconv-3-")
    assert first[-8:] == moved[-8:]  # where the files lie changes nothing
    Path("runs", first).mkdir(parents=True)
    assert name(data={"name": "folder", "root": "moved"}) == first
    assert name(data={"name": "folder", "root": "."}).endswith(first[-8:])


def test_never_resuming_takes_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert name(resume="never") == name()
    Path("runs", name()).mkdir(parents=True)
    assert name(resume="never") == name() + "-2"
    assert name(resume="auto") == name()


@pytest.mark.parametrize(
    "changes",
    [
        {"callbacks": {"checkpoint_minutes": 1}},
        {"data": {"name": "earth", "crop": 128, "workers": 4}},
        {"data": {"name": "earth", "crop": 128, "cache": "disk", "root": "elsewhere", "on_error": "skip"}},
        {"logger": {"name": "csv", "every": 3}},
        {"trainer": {"log_every_n_steps": 7}},
        {"task": {"samples_every": 7}},
        {"objectives": ["val/miou"]},
        {"hydra": {"run": {"dir": "elsewhere"}}},
    ],
    ids=str,
)
def test_what_changes_no_result_changes_no_name(changes: dict[str, object]) -> None:
    assert name(**changes) == name(**{key: {} for key in set(changes) - set(CONFIG)})


@pytest.mark.parametrize("change", ["callbacks.on_nan=skip", "callbacks.auto_batch=true", "deterministic=true",
                                    "trainer.precision=32-true", "data.batch_size=4", "data.augment.horizontal_flip=0",
                                    "task.lr=1", "encoder.width=4"])  # fmt: skip
def test_what_may_change_a_result_changes_the_name(change: str) -> None:
    assert identity.name(composed("config", change)) != identity.name(composed("config"))


def test_each_key_that_is_dropped_is_one_of_a_configuration() -> None:
    """Or one that a user may add to Lightning's."""
    known = {
        key
        for choice in ([], ["data=photos", "model=espcn"], ["data=folder"], ["data=mnist", "model=dcgan"])
        for key in identity.flat(configuration(*choice))
    }
    sections = {key.partition(".")[0] for key in known} | {"hydra", "objectives"}
    added = {"trainer.log_every_n_steps", "trainer.profiler"}
    assert set(identity.DROPPED) <= known | sections | added


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(bytes([i]))
    return folder


def test_the_files_of_the_data_are_part_of_the_name_and_their_place_is_not(images: Path) -> None:
    before = name(data={"name": "photos", "root": str(images)})
    moved = images.rename(images.with_name("elsewhere"))
    assert name(data={"name": "photos", "root": str(moved)}) == before
    (moved / "3.png").write_bytes(b"3")
    assert name(data={"name": "photos", "root": str(moved)}) != before


def test_data_that_cannot_be_read_have_a_name_as_well() -> None:
    for section in ({"name": "photos", "root": "/nowhere"}, {"name": "nothing"}, {"name": "folder", "root": None}):
        assert name(data=section) == name(data=section)


def test_no_value_makes_a_path_of_a_name() -> None:
    for bad in ("../../x", "a/b", "a b,c=d", "x" * 500, "-", "$(reboot)", "naïve"):
        found = name(seed=bad, data={"name": bad})
        assert Path(found).name == found
        assert not set("=, /$()") & set(found)
        assert len(found) < 255


def test_differing_keys_are_named_and_an_unknown_fingerprint_is_like_any() -> None:
    one = CONFIG | {"data_fingerprint": "a"}
    assert identity.differing(one, CONFIG | {"data_fingerprint": "a", "debug": True}) == []
    assert identity.differing(one, CONFIG | {"data_fingerprint": "b"}) == ["data_fingerprint"]
    assert identity.differing(one, CONFIG) == []
    assert identity.differing(one, CONFIG | {"seed": 4, "model": {"name": "unet", "width": 2}}) == [
        "seed",
        "model.width",
    ]


def test_keys_of_any_type_have_a_digest() -> None:
    assert name(data={"name": "folder", "colours": {1: [1, 2, 3], "b": [0, 0, 0]}})


def test_a_key_that_came_later_tells_no_run_from_another_until_it_changes_something() -> None:
    """The digest of a run of a folder as it was before these keys were there."""
    own = configuration("data=folder")
    before = own | {"data": {key: value for key, value in own["data"].items() if f"data.{key}" not in identity.LATER}}
    assert before != own
    assert identity.digest(own) == identity.digest(before)
    assert identity.differing(own, before) == []
    for change in ("data.bands=rgb", "data.bands=[1]", "data.nodata=0", "data.show=[3,2,1]"):
        assert identity.digest(configuration("data=folder", change)) != identity.digest(own)


def test_each_key_that_came_later_has_the_default_that_changes_nothing() -> None:
    known = identity.flat(configuration("model=dcgan")) | identity.flat(configuration("data=folder"))
    assert {key: known.get(key, "missing") for key in identity.LATER} == identity.LATER
