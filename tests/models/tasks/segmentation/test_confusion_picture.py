from pathlib import Path

import matplotlib.image
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from models.tasks import drawing
from models.tasks.segmentation import confusion_picture

COUNTS = torch.tensor([[6, 2, 0], [0, 0, 0], [1, 1, 10]])  # of truth by prediction; the truth has no "land"


def test_rows_are_shares_of_the_true_class(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(confusion_picture, "save", lambda figure, path: drawn.append(figure))
    confusion_picture.confusion_picture(Path("unused"), "a run", COUNTS, ["ocean", "land", "lake"])
    axis = drawn[0].axes[0]
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axis.texts}
    assert written == {(0, 0): "75.0", (0, 1): "25.0", (0, 2): "0.0", (2, 0): "8.3", (2, 1): "8.3", (2, 2): "83.3"}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ocean\n40.0 %", "land\n0.0 %", "lake\n60.0 %"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["ocean", "land", "lake"]


@pytest.mark.parametrize("classes", [2, 19, 150])
def test_any_number_of_classes_is_drawn(classes: int, tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    confusion_picture.confusion_picture(
        path, "a run", torch.eye(classes).long(), [f"class {k}" for k in range(classes)]
    )
    assert matplotlib.image.imread(path).std() > 0.01
    assert [file.name for file in tmp_path.iterdir()] == ["confusion.png"]


@pytest.mark.filterwarnings("error")
def test_names_are_no_mathematics_and_of_any_alphabet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []

    def save(figure: Figure, path: Path) -> None:
        drawn.append(figure)
        drawing.save(figure, path)

    monkeypatch.setattr(confusion_picture, "save", save)
    names = ["$\\frac{$", "$x$ and $y$", "漢字"]
    confusion_picture.confusion_picture(tmp_path / "confusion.png", "a $run$", COUNTS, names)
    assert (tmp_path / "confusion.png").stat().st_size > 1000
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels()] == names
    assert not any(text.get_parse_math() for text in drawn[0].findobj(Text))
