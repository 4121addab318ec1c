"""Every notebook runs from top to bottom, and its assertions hold: one case a notebook."""

from pathlib import Path

import pytest
from run_notebook import run_notebook
from shared import ROOT

NOTEBOOKS = sorted(
    p.relative_to(ROOT / "nbs") for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
)


# What takes seconds and shows again what other notebooks and tests hold.
LONG = {f"tutorials/{name}.ipynb" for name in ("compare_two_runs", "datasets", "findings", "outcomes", "run_a_model")}
LONG |= {"generation/retrieval/49_found.ipynb", "own.ipynb", "synthesis/09_datasets.ipynb"}


def test_long_notebooks_are_there():
    assert {str(n) for n in NOTEBOOKS} >= LONG


@pytest.mark.parametrize(
    "notebook", [pytest.param(str(n), marks=[pytest.mark.verify] * (str(n) in LONG)) for n in NOTEBOOKS]
)
def test_notebook(notebook: str, tmp_path: Path):
    ended = run_notebook(str(ROOT / "nbs" / notebook), str(tmp_path / "output"))
    said = (tmp_path / "output").read_text(errors="replace")
    assert ended == 0, said[-4000:]
    assert "Success" in said
