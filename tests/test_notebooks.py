"""Every notebook runs from top to bottom, and its assertions hold: one case a notebook."""

import subprocess
import sys

import pytest
from shared import ROOT

NOTEBOOKS = sorted(
    p.relative_to(ROOT / "nbs") for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
)


@pytest.mark.parametrize("notebook", [str(n) for n in NOTEBOOKS])
def test_notebook(notebook):
    command = [f"{sys.prefix}/bin/nbdev-test", str(ROOT / "nbs" / notebook)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:] or done.stdout[-4000:]
    assert "Success" in done.stdout
