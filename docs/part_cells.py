"""`make fmt`: a cell that imports holds only imports. Building pages runs cells that import, each apart from the cells around it.

Exported cells are run there anyhow, and stay as they are, as do the tutorials, of which nothing is run.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
Import = ast.Import | ast.ImportFrom


def parted(source: str) -> tuple[str, str] | None:
    """The imports of a cell and the rest, both with the cell's directives; None where it has imports alone, or none."""
    if source.startswith(("#| export", "#| default_exp", "%", "!")):
        return None
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell for another shell
        return None
    imports = [n for n in body if isinstance(n, Import)]
    if not imports or len(imports) == len(body):
        return None
    lines = source.splitlines()
    taken = {i for n in imports for i in range(n.lineno - 1, (n.end_lineno or n.lineno))}
    if any(
        i in taken for n in body if not isinstance(n, Import) for i in range(n.lineno - 1, n.end_lineno or n.lineno)
    ):
        return None  # `import a; b()`: for a person
    head = [line for line in lines if line.startswith("#|")]
    kept = [line for i, line in enumerate(lines) if i not in taken and not line.startswith("#|")]
    first = [lines[i] for i in sorted(taken)]
    return "\n".join([*head, *first]), "\n".join([*head, *"\n".join(kept).strip("\n").split("\n")])


def part(cells: list[dict]) -> Iterator[dict]:
    """The cells, those that mix in two: the imports take an id of their own, all others keep theirs."""
    for cell in cells:
        both = parted("".join(cell["source"])) if cell["cell_type"] == "code" else None
        if both is None:
            yield cell
            continue
        yield cell | {"id": f"{cell['id']}-imports", "source": both[0].splitlines(keepends=True), "outputs": []}
        yield cell | {"source": both[1].splitlines(keepends=True)}


def notebooks() -> list[Path]:
    """The notebooks whose pages run their imports."""
    found = sorted((ROOT / "nbs").rglob("*.ipynb"))
    return [p for p in found if not {".ipynb_checkpoints", "tutorials"} & set(p.parts)]


def mixed(notebook: Path) -> list[str]:
    """The first line of each cell of a notebook that has to be parted."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return [source.partition("\n")[0] for source in sources if parted(source)]


def main() -> None:
    """Part every cell that has to be."""
    for path in notebooks():
        if mixed(path):
            book = json.loads(path.read_text(encoding="utf-8"))
            book["cells"] = list(part(book["cells"]))
            path.write_text(json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
            print(path.relative_to(ROOT), file=sys.stderr)


if __name__ == "__main__":
    main()
