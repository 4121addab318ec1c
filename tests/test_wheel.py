"""The wheel carries what the library needs: installed elsewhere, it makes a working project."""

import json
import os
import subprocess
import sys

import pytest
from shared import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the unpacked wheel and nothing else of ours."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    names = ("flowgen_analysis", "nbs", "datasets", "environments", "feature_matrices", "scenarios")
    files = ("models.toml", "pyproject.toml", "setup.py", "README.md", "LICENSE")
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in (*names, *files)), str(source)], check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def run(site, code, cwd):
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "NUMBA_DISABLE_JIT": "1",
    }  # to compile is 20 s, to interpret is 1 s
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


DEMO = """
import contextlib, io, json
from pathlib import Path
import flowgen_analysis.widgets.explorer.explorer as explorer
from flowgen_analysis.cli.main import main
def flowgen(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = main([*arguments, "--json"])
    return code, json.loads(said.getvalue())
made = flowgen("init", "demo", "--demo")[0] + flowgen("init", "other", "--features", "n8n")[0]
lines = Path("demo/datasets/test.jsonl").read_text().splitlines(True)
Path("demo/datasets/few.jsonl").write_text("".join(lines[:8]))
generated, scored = flowgen("generate", "few", "-C", "demo"), flowgen("score", "few", "-C", "demo")
print(json.dumps([explorer.__file__, made, len(lines), generated[0], scored]))
"""


def test_a_demo_project_from_the_wheel(installed, tmp_path):
    done = run(installed, DEMO, tmp_path)
    assert done.returncode == 0, done.stderr
    file, made, lines, generated, (code, scored) = json.loads(done.stdout)
    assert file.startswith(str(installed)), "browser code is found beside it"
    assert (made, lines, generated, code) == (0, 108, 0, 0)
    assert (scored["samples"], sorted(scored["models"])) == (8, ["nearest", "rules"])
