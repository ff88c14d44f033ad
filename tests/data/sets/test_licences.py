from data import LABELLED, SOURCES
from data.sets.licences import LICENCES

OF_THE_USER = {"photos", "folder"}  # whatever lies in them


def test_every_published_set_has_its_terms() -> None:
    assert set(LICENCES) == {*SOURCES, *LABELLED} - OF_THE_USER
    assert all(terms.endswith(".") for terms in LICENCES.values())
