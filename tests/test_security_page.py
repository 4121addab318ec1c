"""Every test that the security page names is there."""

import ast
import re

from shared import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_named_test_and_notebook_is_there():
    written = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py")}
    every = "\n".join(written.values())
    named = re.findall(r"`([\w/]*?\.(?:py|ipynb))?(?:::)?(test_\w+)?`", PAGE)
    files, tests = {f for f, _ in named if f}, {t for _, t in named if t}
    assert len(tests) >= 12
    for file in files:
        assert file in written or (ROOT / file).is_file(), file
    for test in tests:
        assert f"def {test}(" in every, test


# scoring/functions.py runs a file of scores that somebody names in the call, and sends functions to processes of its own.
RUNS_CODE = {"eval", "exec", "compile", "__import__"}


def test_no_text_is_run_as_code():
    """No module evaluates text or loads pickles of files; modules are imported by names that stand in the code, not in data."""
    imports = []
    for path in sorted((ROOT / "flowgen_analysis").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in RUNS_CODE or path.name == "functions.py", (path, name)
                imports += [path.name] if name.endswith("import_module") else []
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {a.name.partition(".")[0] for a in node.names} | {getattr(node, "module", None) or ""}
                loads = names & {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
                assert not loads or path.name == "functions.py", (
                    path
                )  # a function of a cell, through a pipe to its own process
    assert set(imports) == {
        "__init__.py",
        "app.py",
        "background.py",
        "dense.py",
        "launch.py",
        "lora.py",
        "workbench.py",
    }
