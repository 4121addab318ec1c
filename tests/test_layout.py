"""The house stays in order: what may import what, what stands where, and what two files say of one fact."""

import ast
import configparser
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from shared import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from part_cells import mixed, part, parted

PACKAGE = ROOT / "flowgen_analysis"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name not in ("__init__.py", "_modidx.py"))
NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)

# Who may import whom: a package sees the ones listed for it, and itself. `docs/architecture.md` draws it.
BELOW = {
    "flows": set(),
    "queries": {"flows"},
    "features": {"flows", "queries"},
    "scoring": {"flows"},
    "generation": {"flows"},
    "synthesis": {"flows"},
    "serving": {"flows"},
    "analysis": {"flows", "queries", "features", "scoring"},
    "project": {"flows", "queries", "features"},
    "baselines": {"flows", "generation", "project"},
    "model_runs": {"flows", "generation", "analysis", "project", "baselines"},
    "figures": {"flows", "queries", "features", "scoring", "analysis"},
    "study": {"flows", "queries", "features", "scoring", "generation", "analysis", "figures", "project", "model_runs"},
    "widgets": {
        "flows",
        "queries",
        "features",
        "scoring",
        "generation",
        "analysis",
        "figures",
        "project",
        "baselines",
        "model_runs",
        "study",
    },
    "reports": {"flows", "queries", "features", "scoring", "analysis", "figures", "project", "study"},
}
BELOW["evidence"] = BELOW["widgets"] - {"widgets", "study"}
BELOW["asking"] = BELOW["widgets"] | {"evidence"}
BELOW["workbench"] = set(BELOW)
BELOW["app"] = set(BELOW)
BELOW["cli"] = set(BELOW)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """The parts of the package that a module imports."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level == depth:
                found.add(name.split(".")[0])
            elif node.level == 0 and name.startswith("flowgen_analysis."):
                found.add(name.split(".")[1])
            assert node.level <= depth, f"{path}: leaves the package"
    return found - {""}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_down(path):
    here = module_name(path).split(".")[0]
    assert here in BELOW, f"{here} is not on the map"
    above = imported(path) - BELOW[here] - {here}
    assert not above, f"{module_name(path)} imports {sorted(above)}"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT / "nbs")))
def test_exported_cells_are_small(notebook):
    """A cell of more than 60 lines, or one class of more than 200, wants a thought; a file may be as long as its concept."""
    for source in cells(notebook):
        if source.startswith("#| export"):
            lines = [line for line in source.splitlines()[1:] if line.strip()]
            if not any(line.startswith(("def ", "class ", "async def ", "@")) for line in lines):
                continue  # a table of data
            most = 200 if any(line.startswith("class ") for line in lines) else 60
            assert len(lines) <= most, f"{len(lines)} lines, from {lines[0]!r}: the design wants a thought"


def cells(notebook: Path) -> list[str]:
    return ["".join(c["source"]) for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]


def exports(notebook: Path) -> str | None:
    """The module a notebook exports, None where it exports none."""
    found = [m[1] for source in cells(notebook) if (m := re.match(r"#\|\s*default_exp\s+(\S+)", source))]
    assert len(found) <= 1, f"{notebook}: several default_exp"
    return found[0] if found else None


def test_one_notebook_a_module():
    homes = [exports(n) for n in NOTEBOOKS]
    named = [h for h in homes if h]
    assert len(named) == len(set(named)), "two notebooks export the same module: one overwrites the other"
    assert sorted(named) == sorted(map(module_name, MODULES)), "a module without its notebook, or the reverse"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT / "nbs")))
def test_notebook_form(notebook):
    assert notebook.stat().st_size <= 100_000
    assert "tutorials" in notebook.parts or not mixed(notebook), (
        "a cell that imports holds only imports: `make fmt` parts it"
    )
    for source in cells(notebook):
        directive = re.search(r"^#\|\s*export\b", source, re.MULTILINE)
        assert not directive or directive.start() == 0, "`#| export` below a code line exports nothing"
    first = json.loads(notebook.read_text())["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# .+\n+> .+", "".join(first["source"])), "a title and a `>` line"


def test_a_cell_is_parted_into_imports_and_the_rest():
    source = "#| hide\nimport os\nfrom re import (\n    sub,\n)\n\n\ndef f():\n    import json\n\n    return json"
    first, rest = (
        "#| hide\nimport os\nfrom re import (\n    sub,\n)",
        "#| hide\ndef f():\n    import json\n\n    return json",
    )
    assert parted(source) == (first, rest)
    assert (
        parted(first) is parted("x = 1") is parted("#| export\nimport os\nx = 1") is parted("import os; x = 1") is None
    )
    cells = [{"id": "cell-07", "cell_type": "code", "source": [source], "outputs": []}]
    assert [(c["id"], "".join(c["source"])) for c in part(cells)] == [("cell-07-imports", first), ("cell-07", rest)]


def test_modules_are_what_the_notebooks_export(tmp_path):
    """Clean and export a copy of the repository and compare: nobody edited a module by hand, or forgot to export or to clean."""
    copy = tmp_path / "repo"
    copy.mkdir()
    for name in ("nbs", "flowgen_analysis", "pyproject.toml", "README.md"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(copy / name)], check=True)
    subprocess.run([f"{sys.prefix}/bin/nbdev-export"], cwd=copy, check=True, capture_output=True)
    for path in MODULES:
        assert (copy / path.relative_to(ROOT)).read_text() == path.read_text(), module_name(path)
    subprocess.run([f"{sys.prefix}/bin/nbdev-clean"], cwd=copy, check=True, capture_output=True)
    dirty = [p.name for p in NOTEBOOKS if (copy / p.relative_to(ROOT)).read_bytes() != p.read_bytes()]
    assert dirty == [], "run `make fmt`"


def test_no_name_is_undefined():
    """A name from a cell that is not exported works in its notebook and fails when imported."""
    command = [f"{sys.prefix}/bin/ruff", "check", "--isolated", "--select", "F821,F811", str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_settings_and_pyproject_agree():
    with (ROOT / "pyproject.toml").open("rb") as f:
        pyproject = tomllib.load(f)
    project, nbdev = pyproject["project"], pyproject["tool"]["nbdev"]
    parser = configparser.ConfigParser()
    parser.read(ROOT / "settings.ini")
    settings = parser["DEFAULT"]
    version = re.search(r'__version__ = "(.+)"', (PACKAGE / "__init__.py").read_text())[1]
    assert settings["version"] == version
    assert settings["lib_name"] == project["name"]
    assert settings["description"] == project["description"]
    assert settings["keywords"].split() == project["keywords"]
    assert settings["min_python"] == project["requires-python"].removeprefix(">=")
    assert settings["requirements"].split() == project["dependencies"]
    assert settings["console_scripts"] == "flowgen=" + project["scripts"]["flowgen"]
    assert settings["author"] == project["authors"][0]["name"]
    assert (settings["license"], project["license"]) == ("apache2", "Apache-2.0")
    for key in ("lib_path", "nbs_path", "tst_flags"):
        assert settings[key] == nbdev[key]


def test_tracked_files_are_small():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    large = [
        name for name in filter(None, files) if (ROOT / name).exists() and (ROOT / name).stat().st_size > 1_000_000
    ]
    assert not large
