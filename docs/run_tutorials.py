"""Run the tutorials and keep what they print, so that they can be read without running them: `make tutorials`."""

import re
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


def style_once(book) -> None:
    """Leave each style sheet in the first output that brings it: a page has them all."""
    seen: set[str] = set()

    def kept(match: re.Match[str]) -> str:
        first = match[0] not in seen
        seen.add(match[0])
        return match[0] if first else ""

    for cell in book.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html")
            if html:
                output.data["text/html"] = re.sub(r"<style>.*?</style>", kept, html, flags=re.DOTALL)


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
    style_once(book)
    nbformat.write(book, path)
    subprocess.run([Path(sys.executable).with_name("nbdev-clean"), "--fname", path], check=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted((ROOT / "nbs" / "tutorials").glob("*.ipynb")):
        run(path.resolve())
