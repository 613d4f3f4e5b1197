"""Executes the notebooks of `examples/`."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.shared import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_images(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    document = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") for cell in document.cells), "notebooks are kept without outputs"
    done = NotebookClient(document, timeout=300, resources={"metadata": {"path": str(ROOT / "examples")}}).execute()
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert any("data:image/jpeg" in output.get("data", {}).get("text/html", "") for output in shown)


def test_there_are_three_notebooks() -> None:
    assert len(NOTEBOOKS) == 3
