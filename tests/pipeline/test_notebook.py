"""The notebook in examples/ as a reader runs it, and commands within notebooks of any kind."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from fame_cli import __main__

pytestmark = pytest.mark.libraries

ROOT = Path(__file__).parents[2]
NOTEBOOK = nbformat.read(ROOT / "examples" / "first_look.ipynb", as_version=4)


def test_notebook_is_stored_without_what_a_run_leaves() -> None:
    nbformat.validate(NOTEBOOK)
    code = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


def test_notebook_runs_and_shows_pictures_and_the_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]  # `fame` is that of this Python
    monkeypatch.setenv("PATH", os.pathsep.join(places))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # no fight for cores among parallel test processes
    run = NotebookClient(NOTEBOOK, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in run.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert "top1" in "".join(output.get("text", "") for output in outputs)
    assert len(list((tmp_path / "first-look/run/results").glob("linear-*.json"))) == 1


def test_notebooks_way_to_draw_does_not_reach_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setattr("fame_cli.cli.app.main", lambda: seen.append(os.environ.get("MPLBACKEND")))
    __main__.main()
    assert seen == [None]
