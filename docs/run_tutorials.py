"""Run the tutorials and keep what they print, so that they can be read without running them: `make tutorials`."""

import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"


def is_kept(output) -> bool:
    """Whether a page without a kernel can show an output: no widget, and no blank line."""
    data = output.get("data", {})
    blank = output["output_type"] == "display_data" and not str(data.get("text/plain", "x")).strip()
    return WIDGET not in data and not blank


def run(path: Path) -> None:
    """Run a notebook in its folder and write it with its outputs; HTML stands there once, not as text too."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if is_kept(output)]
            for output in cell.outputs:
                if "<style>" in str(output.get("data", {}).get("text/plain", "")):
                    output.data["text/plain"] = "(a table)"
    nbformat.write(book, path)
    subprocess.run([Path(sys.executable).with_name("nbdev-clean"), "--fname", path], check=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted((ROOT / "nbs" / "tutorials").glob("*.ipynb")):
        run(path.resolve())
