"""docs/tutorial.ipynb, run from its first cell to its last; .ci/run does so, too."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_from_a_folder_of_images_to_an_exported_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the notebook is run by nbclient")
    nbformat = pytest.importorskip("nbformat", reason="the notebook is read by nbformat")
    pytest.importorskip("ipykernel", reason="the notebook is run in ipykernel")
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )  # whose python is meant
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []  # what was kept of an earlier one proves nothing
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    said = "".join(
        str(output.get("text", "")) + str(output.get("data", {}))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "Error" not in said
    assert "repaired: none shown" in said or "repaired: fixed pattern" in said
    assert "[  0 255]" in said
    assert "largest error" in said
    assert "tensor([0, 1])" in said
    assert [*tmp_path.glob("*/run/report.html")]
