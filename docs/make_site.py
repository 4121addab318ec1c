"""`make docs` and `make site`: README.md as `nbs/index.ipynb`, and the other pages beside the notebooks, where the site is built from.

The README is what is edited; the index is made of it, a cell a section. `--pages` also copies the pages that are no notebooks (git
ignores the copies).
"""

import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NBS = ROOT / "nbs"
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE")


def index(readme: str) -> str:
    """A notebook of Markdown cells, one a section; links lead from `nbs/` where those of the README lead from the root."""
    text = re.sub(r"\]\(nbs/", "](", readme.strip())
    parts = re.split(r"\n+(?=## )", text)
    cells = [
        {"cell_type": "markdown", "id": f"cell-{i:02d}", "metadata": {}, "source": part.splitlines(keepends=True)}
        for i, part in enumerate(parts)
    ]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def copy_pages() -> None:
    """The pages and pictures of `docs/`, and those of the root, beside the notebooks."""
    shutil.rmtree(NBS / "docs", ignore_errors=True)
    for path in [p for p in (ROOT / "docs").rglob("*") if p.suffix in (".md", ".png")]:
        target = NBS / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            up = "../" * len(path.relative_to(ROOT / "docs").parts)
            text = (
                path.read_text(encoding="utf-8")
                .replace(f"]({up}nbs/", f"]({up}")
                .replace(f"]({up}README.md", f"]({up}index.ipynb")
            )
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copy(path, target)
    for name in PAGES:
        shutil.copy(ROOT / name, NBS / name)


def main(arguments: list[str]) -> None:
    """Write the index, and with `--pages` the copies."""
    (NBS / "index.ipynb").write_text(index((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
    if "--pages" in arguments:
        copy_pages()


if __name__ == "__main__":
    main(sys.argv[1:])
