"""Where the masks of each class are written, whatever it is called."""

from pathlib import Path

from models.tasks.segmentation.labels.predict import folders


def test_a_class_has_a_folder_of_its_own_inside_of_the_output() -> None:
    assert folders(["road", "Straße 2", "a-b_c"]) == ["road", "Straße 2", "a-b_c"]
    hostile = ["..", "/etc", "a/b", "a_b", "", ".", "../../x"]
    made = folders(hostile)
    assert len(set(made)) == len(hostile)
    top = Path("/top")
    assert all((top / each).resolve().parent == top for each in made)
