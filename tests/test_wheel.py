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
    files = ("models.toml", "pyproject.toml", "README.md", "LICENSE")
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in (*names, *files)), str(source)], check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def flowgen(site, *arguments, cwd):
    code = "import sys; from flowgen_analysis.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | {"PYTHONPATH": str(site)})


def test_a_demo_project_from_the_wheel(installed, tmp_path):
    made = flowgen(installed, "init", "demo", "--demo", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "demo"
    assert flowgen(installed, "generate", "test", cwd=project).returncode == 0
    scored = flowgen(installed, "score", "test", "--json", cwd=project)
    assert json.loads(scored.stdout)["samples"] == 108


def test_views_find_their_browser_code(installed, tmp_path):
    code = "import flowgen_analysis.widgets.explorer as e; print(e.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
    )
    assert done.stdout.startswith(str(installed)), done.stderr
