"""The table of faults from the tests that show them: `make docs` writes it to docs/robustness.md.

A test says what it shows with `@pytest.mark.fault("Bad files: TOML", "one line, exit 2", tries=12)`: the part of the table and the
fault, what happens, and how many times it is tried. Without `tries` it is once for each case of `parametrize`, where the test
writes those cases out.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "robustness.md"
HEAD = """<!-- Made by docs/make_robustness.py from the marks of the tests: edit a test, then `make docs`. -->
# Robustness

What can go wrong, what happens then, and the test that shows it. Every row is a test of `make test`; those marked *long* run in
`make verify`. *Tries* counts inputs, kills or calls of one run of the test.

In short: a bad file ends in one line that names it, and exit 2. A file is written whole or stays as it was. Text from
data stays text. What is too large is said to be, and the rest is read.
"""


class Fault(NamedTuple):
    """A row of the table."""

    part: str
    fault: str
    happens: str
    tries: int
    long: bool
    test: str


def faults(tests: Path = ROOT / "tests") -> list[Fault]:
    """The faults that the tests below a folder are marked with, in the order of part, fault and test."""
    found = [fault for path in sorted(tests.rglob("test_*.py")) for fault in _in_file(path, tests.parent)]
    return sorted(found, key=lambda f: (f.part, f.fault, f.test))


def _in_file(path: Path, root: Path) -> Iterator[Fault]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and len(node.targets) == 1
    }
    for test in tree.body:
        if not isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        place = f"{path.relative_to(root).as_posix()}::{test.name}"
        for mark in _marks(test, "fault"):
            try:
                kind, happens = (ast.literal_eval(a) for a in mark.args)
                said = {k.arg: ast.literal_eval(k.value) for k in mark.keywords}
            except ValueError:
                raise SystemExit(f"{place}: fault takes plain text: (kind, what happens, tries=number)") from None
            part, _, fault = kind.partition(": ")
            tries = said.get("tries") or _cases(test, names, place)
            yield Fault(part, fault or part, happens, tries, bool(list(_marks(test, "verify"))), place)


def _marks(test: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[ast.Call]:
    for mark in test.decorator_list:
        call = mark if isinstance(mark, ast.Call) else ast.Call(mark, [], [])
        if ast.unparse(call.func) == f"pytest.mark.{name}":
            yield call


def _cases(test: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, ast.expr], place: str) -> int:
    """How many cases the test's `parametrize` write out, multiplied; 1 without any."""
    count = 1
    for mark in _marks(test, "parametrize"):
        values = mark.args[1]
        values = names.get(values.id, values) if isinstance(values, ast.Name) else values
        try:
            count *= len(eval(ast.unparse(values), {"__builtins__": {"range": range}}))
        except Exception:
            if not isinstance(values, ast.List | ast.Tuple | ast.Set | ast.Dict):
                raise SystemExit(f"{place}: its cases cannot be counted here: say tries= in its fault") from None
            count *= len(values.keys if isinstance(values, ast.Dict) else values.elts)
    return count


def make() -> str:
    """The page."""
    rows = faults()
    lines = [HEAD, f"{len(rows)} faults, {sum(f.tries for f in rows):,} tries.\n"]
    for part in dict.fromkeys(f.part for f in rows):
        lines += [f"## {part}\n", "| fault | what happens | tries | test |", "| --- | --- | ---: | --- |"]
        for f in (f for f in rows if f.part == part):
            path, _, name = f.test.partition("::")
            long = ", *long*" if f.long else ""
            lines.append(f"| {_cell(f.fault)} | {_cell(f.happens)} | {f.tries:,} | [`{name}`](../{path}){long} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"([|<\[\]])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    PAGE.write_text(make(), encoding="utf-8")
