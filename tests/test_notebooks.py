"""The notebooks run on a finished run and are stored without outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from shared.places import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LONG = {"06_change", "07_label_and_teach"}
"""They map or train themselves, and need the demo's run, which `make soak` makes."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(not cell.outputs and cell.execution_count is None for cell in code)


def run_on(run: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute a notebook on a run; it must draw a picture and say nothing on stderr."""
    monkeypatch.setenv("CROPLAYER_RUN", str(run))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("image/png" in out.get("data", {}) for out in shown), "no picture was drawn"
    assert not [out for out in shown if out.output_type == "stream" and out.name == "stderr"], "a cell warned"


pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning:jupyter_client", "default::DeprecationWarning:zmq")


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem not in LONG], ids=lambda p: p.stem)
def test_runs_on_a_finished_run(path: Path, field_run: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROPLAYER_MODELS", str(models))
    run_on(field_run, path, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem in LONG], ids=lambda p: p.stem)
def test_runs_on_the_demo(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = REPOSITORY / "runs/demo"
    if not (demo / "report.html").is_file():
        pytest.skip("runs/demo is not there; `make soak` and `make demo` make it")
    run_on(demo, path, monkeypatch)
