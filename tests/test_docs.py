"""The docs say what is there: the reference is made from today's docstrings, links lead somewhere, commands shown exist."""

import ast
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from shared import ROOT

from flowgen_analysis.cli.main import app, load_commands

sys.path.insert(0, str(ROOT / "docs"))
import make_reference as reference
import make_site as site

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
TUTORIALS = sorted((ROOT / "nbs" / "tutorials").glob("*.ipynb"))
OWN = [ROOT / "nbs" / "workbench.ipynb", ROOT / "nbs" / "own.ipynb"]
load_commands()
COMMANDS = dict(reference.commands(typer.main.get_command(app)))
OPTIONS = {option for p in typer.main.get_command(app).params for option in p.opts} | {"--help"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def markdown(path: Path) -> str:
    """The text of a page, or of the Markdown cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_reference_is_what_the_docstrings_say_now():
    made = reference.make()
    there = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "docs" / "reference").glob("*.md")}
    assert sorted(there) == sorted(made), "run `make docs`"
    assert [name for name in made if made[name] != there[name]] == [], "run `make docs`"
    assert reference.make() == made
    assert max(len(text.encode()) for text in made.values()) < 200_000


def test_reference_leaves_no_public_name_out():
    for module in reference.modules():
        shown = {name for name, _ in module.defined()}
        commands = {n.name for n in module.tree.body if reference.is_command(n)}
        assert set(module.public) - shown - commands == set(), module.name
        assert (ROOT / module.notebook).is_file(), module.name


def test_every_public_name_has_a_docstring():
    lacking = []
    for module in reference.modules():
        public = set(module.public)
        for node in module.tree.body:
            if not isinstance(node, reference.Definition) or node.name not in public:
                continue
            inner = node.body if isinstance(node, ast.ClassDef) else []
            known = [(node.name, node), *((f"{node.name}.{m.name}", m) for m in inner if reference.is_public_method(m))]
            lacking += [f"{module.name}.{name}" for name, x in known if not ast.get_docstring(x)]
    assert lacking == []


def test_the_index_is_the_readme():
    made = site.index((ROOT / "README.md").read_text(encoding="utf-8"))
    assert (ROOT / "nbs" / "index.ipynb").read_text(encoding="utf-8") == made, "run `make docs`"


LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS, *OWN], ids=name_of)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", markdown(path), flags=re.MULTILINE | re.DOTALL)
    for address in LINK.findall(text):
        if re.match(r"https?:", address):
            continue
        place, _, mark = address.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.is_relative_to(ROOT), address
        assert target.exists(), address
        if mark:
            assert mark in reference.anchors(reference.headings(markdown(target))), address


def shown_commands(path: Path) -> list[str]:
    """Calls of `flowgen` in code spans and shell fences, comments and dots left out."""
    text = markdown(path)
    fences = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()] + re.findall(r"`([^`]+)`", outside)
    plain = (" ".join(line.split()).replace("…", "") for line in lines)
    return [line.strip() for line in plain if line.startswith("flowgen ")]


def problem(call: str) -> str:
    """What is wrong with a call of `flowgen` that a page shows; empty if nothing."""
    words = shlex.split(call, comments=True)[1:]
    if words and words[0].startswith("-"):
        return ", ".join(f"flowgen has no {o}" for o in words if o not in OPTIONS)
    name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in COMMANDS), None)
    if name is None:
        return "" if not words or any(n.startswith(f"{words[0]} ") for n in COMMANDS) else f"no command {words[0]!r}"
    options = {o for p in COMMANDS[name].params for o in [*p.opts, *p.secondary_opts] if o.startswith("-")}
    given = [w.partition("=")[0] for w in words if re.match(r"--?[a-zA-Z]", w)]
    return ", ".join(f"{name} has no {o}" for o in given if o not in {*options, "--help"})


def test_a_wrong_command_is_found():
    assert problem("flowgen score SAMPLES RUN... --json") == problem("flowgen datasets make --seed 1") == ""
    assert problem("flowgen datasets") == problem("flowgen slices test -s 'foreach & ~parallel'  # why") == ""
    assert problem("flowgen --version") == ""
    assert problem("flowgen --versions") == "flowgen has no --versions"
    assert problem("flowgen scored test") == "no command 'scored'"
    assert problem("flowgen report test --out x") == "report has no --out"


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS], ids=name_of)
def test_shown_commands_exist(path):
    assert {call: problem(call) for call in shown_commands(path) if problem(call)} == {}


def test_commands_are_shown_somewhere():
    shown = {
        call.split()[1]
        for path in [ROOT / "README.md", *TUTORIALS]
        for call in shown_commands(path)
        if len(call.split()) > 1
    }
    assert {"init", "import", "validate", "score", "slices", "compare", "discover", "generate", "report"} <= shown


@pytest.mark.parametrize("path", TUTORIALS, ids=name_of)
def test_tutorials_can_be_read_without_running_them(path):
    """Under 100 KB, with outputs that need no kernel and no error among them, assertions in hidden cells only."""
    book = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 100_000
    assert "widgets" not in book["metadata"]
    assert any(cell.get("outputs") for cell in book["cells"]), "run `make tutorials`"
    for cell in book["cells"]:
        source = "".join(cell["source"])
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", source
            assert output.get("name") != "stderr", source
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), source
        if cell["cell_type"] == "code" and not source.startswith("#| hide"):
            assert not re.search(r"^\s*assert ", source, re.MULTILINE), source
