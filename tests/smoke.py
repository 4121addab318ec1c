"""The library's doors, each tried once: what `tests/matrix.py` runs on every Python and at the lowest versions. Not part of `make test`."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from flowgen_analysis.cli.main import main

ROOT = Path(__file__).resolve().parents[1]


def flowgen(*arguments):
    """What a call says; it has to end well."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = main([str(a) for a in arguments])
    assert code == 0, (arguments, said.getvalue()[-500:])
    return said.getvalue()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The demo cut to 30 samples, with the runs of the baselines."""
    root = tmp_path_factory.mktemp("smoke") / "project"
    flowgen("init", root, "--demo")
    few = root / "datasets" / "test.jsonl"
    few.write_text("".join(few.read_text().splitlines(True)[:30]))
    flowgen("generate", "test", "-C", root)
    return root


COMMANDS = [
    ["score", "test"],
    ["compare", "test", "--baseline", "nearest"],
    ["slices", "test", "-s", "foreach & ~parallel", "-s", "steps > 3 & score.rules < 40"],
    ["discover", "test", "--model", "rules"],
    ["matrix", "test"],
    ["datasets", "list"],
    ["environment", "make", "test", "--name", "derived"],
]


@pytest.mark.parametrize("call", COMMANDS, ids=lambda call: call[0])
def test_a_command(project, call):
    assert isinstance(json.loads(flowgen(*call, "-C", project, "--json")), dict)


@pytest.mark.parametrize("form", ["html", "md", "tex", "ipynb", "json", "zip"])
def test_a_report(project, form, tmp_path):
    flowgen("report", "test", "-C", project, "-o", tmp_path / f"r.{form}")
    assert (tmp_path / f"r.{form}").stat().st_size > 1_000


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_own_rows(project, form, tmp_path):
    import polars as pl

    rows = [json.loads(line) for line in (project / "datasets" / "test.jsonl").read_text().splitlines()]
    flat = {
        "id": [r["id"] for r in rows],
        "requirement": [r["requirement"] for r in rows],
        "expected": [json.dumps(r["expected"]) for r in rows],
    }
    table = pl.DataFrame(flat)
    write = {"csv": table.write_csv, "parquet": table.write_parquet, "jsonl": table.write_ndjson}[form]
    write(tmp_path / f"rows.{form}")
    flowgen("init", tmp_path / "p")
    flowgen("import", "samples", tmp_path / f"rows.{form}", "-d", "mine", "-C", tmp_path / "p")
    flowgen("validate", tmp_path / "p" / "datasets" / "mine.jsonl")


def test_fluent_source_is_read(tmp_path):
    """tree-sitter has changed its interface several times."""
    flowgen("init", tmp_path)
    source = next((ROOT / "tests" / "fixtures" / "importers").rglob("*.now.ts"))
    flowgen("import", "servicenow", source, "-d", "fluent", "-C", tmp_path)
    assert (tmp_path / "datasets" / "fluent.jsonl").read_text().count("\n") >= 1


def test_the_views(project):
    from flowgen_analysis import App, Workbench

    wb = Workbench.open(project)
    explorer = wb.explorer()
    explorer.slice = "foreach"
    assert len(explorer.samples()) == len(explorer.to_pandas()) > 0
    assert wb.tagger(by="somebody") is not None
    assert wb.overview() is not None
    assert App(wb).selected


def test_a_model_behind_an_api(project, monkeypatch):
    from loopback import Loopback, by_heart

    with Loopback(by_heart(project / "datasets" / "test.jsonl")) as server:
        provider = f'[providers.here]\nbase_url = "{server.url}"\napi_key_env = "SMOKE_API_KEY"\n'
        (project / "models.toml").write_text(
            f'{provider}\n[models.smoke]\nprovider = "here"\nendpoint_model = "smoke"\n'
        )
        monkeypatch.setenv("SMOKE_API_KEY", "key")
        flowgen("generate", "test", "--model", "smoke", "-C", project, "--limit", 3)
    assert (project / "runs" / "test" / "smoke.jsonl").is_file()


def test_the_servers_can_be_had():
    """JupyterLab and Voilà, and what the library puts between them and the browser."""
    pytest.importorskip("jupyterlab")
    pytest.importorskip("voila")
    from flowgen_analysis.serving import guard, websocket

    assert guard.__all__
    assert websocket.__all__
