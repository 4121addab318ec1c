"""`flowgen`: what it prints, where, and how it exits."""

import json
import subprocess
import sys

import polars as pl
import pytest
import typer
from shell import flowgen, flowgen_process

from flowgen_analysis import __version__
from flowgen_analysis.cli.app import COMMANDS, app, load_commands

SAMPLE = {"id": "a", "requirement": "Log it", "expected": {"trigger": None, "components": [{"name": "log", "step": 1}]}}
GENERATION = {"id": "a", "model": "m", "repeat": 0, "generated": SAMPLE["expected"]}


def lines(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path):
    """A dataset of two samples and a run that knows one of them."""
    samples = lines(tmp_path / "samples.jsonl", SAMPLE, {**SAMPLE, "id": "b"})
    return samples, lines(tmp_path / "m.jsonl", GENERATION)


def test_score_prints_a_table_and_names_what_is_missing(files):
    done = flowgen("score", *files)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FlowSim" in done.stdout
    assert "m has nothing for 1 samples: b" in done.stdout


def test_score_json_is_one_object(files):
    done = flowgen_process("score", *files, "--json")
    found = json.loads(done.stdout)
    assert list(found)[:5] == ["samples", "generations", "unreadable", "missing", "models"]
    assert (found["samples"], found["generations"], found["unreadable"], found["missing"]) == (2, 1, 0, 1)
    assert found["models"]["m"]["n"] == 1
    assert found["models"]["m"]["inputs"] == found["models"]["m"]["outline"] == 1
    assert found["missing_samples"] == [{"model": "m", "sample_id": "b"}]


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pl.read_csv), (".parquet", pl.read_parquet)])
def test_score_writes_a_row_a_generation(files, tmp_path, suffix, read):
    out = tmp_path / f"scores{suffix}"
    assert flowgen("score", *files, "-o", out).returncode == 0
    assert read(out)["inputs"].to_list() == [1.0]


def test_zss_scores_the_same(files):
    found = [json.loads(flowgen("score", *files, "--json", "--engine", engine).stdout) for engine in ("zss", "numba")]
    assert found[0] == found[1]


def test_slices_and_matrix_of_plain_files(files, tmp_path):
    found = json.loads(flowgen("slices", *files, "--json").stdout)["subsets"]
    assert list(found) == ["STRUCTURE", "INPUT", "ENTERPRISE"]
    assert found["STRUCTURE"]["features"]["foreach"] == {
        "n": 0, "models": {"m": {"n": 0, "mean": None, "low": None, "high": None, "optimistic": False, "why": ""}}}  # fmt: skip
    out = tmp_path / "matrix.csv"
    counts = json.loads(flowgen("matrix", files[0], "-o", out, "--json").stdout)["features"]
    assert counts["log"] == {"present": 2, "absent": 0, "unknown": 0}
    assert counts["ambiguous"]["unknown"] == 2
    assert out.read_text().startswith("sample_id,trigger_null,")


def test_a_new_project_from_nothing(tmp_path):
    assert flowgen("init", "p", cwd=tmp_path).returncode == 0
    lines(tmp_path / "p/datasets/mine.jsonl", SAMPLE, {**SAMPLE, "id": "b"})
    project = tmp_path / "p"
    assert json.loads(flowgen("generate", "mine", "--json", cwd=project).stdout)["written"]
    assert json.loads(flowgen("generate", "mine", "--json", cwd=project).stdout)["written"] == []
    assert flowgen("score", "mine", cwd=project).returncode == 0
    assert flowgen("report", "mine", cwd=project).returncode == 0
    assert "## FlowSim" in (project / "reports/mine.md").read_text()


BAD = {
    "missing file": (None, "samples.jsonl: no such file"),
    "not JSON": (["{'id': 1}\n"], "samples.jsonl:1: is not JSON at column 2"),
    "not an object": ([[1]], "samples.jsonl:1: holds list; expected one JSON object a line"),
    "lacks a field": ([SAMPLE, {"id": "b", "expected": None}], "samples.jsonl:2 requirement: is missing"),
    "repeated id": ([SAMPLE, SAMPLE], "samples.jsonl:2 id: is 'a', as at"),
    "orphan": ([{**SAMPLE, "expected": {"trigger": None, "components": [{"name": "x", "step": 1, "block": 1}]}}],
               "samples.jsonl:1 expected components[0].block: is 1"),
    "wrong type": ([{**SAMPLE, "expected": {"trigger": None, "components": [{"name": "x", "step": "one"}]}}],
                   "samples.jsonl:1 expected components[0].step: is 'one'; expected a whole number"),
    "empty": ([], "samples.jsonl: holds no sample"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_samples_end_in_one_line(case, files, tmp_path):
    rows, said = BAD[case]
    (samples, run), out = files, tmp_path / "out.csv"
    if rows is None:
        samples.unlink()
    else:
        lines(samples, *rows)
    check_failed(flowgen("score", samples, run, "-o", out), said)
    assert not out.exists()


def test_bad_runs_end_in_one_line(files):
    samples, run = files
    for rows, said in [
        ([{**GENERATION, "id": "zz"}], "m.jsonl:1 id: is 'zz', which is no sample"),
        ([GENERATION, GENERATION], "m.jsonl:2 repeat: is 0 for 'a' of m, as at"),
        ([{"id": "a", "generated": None}], "m.jsonl:1 model: is missing"),
    ]:
        check_failed(flowgen("score", samples, lines(run, *rows)), said)


def test_other_bad_paths(files, tmp_path):
    samples, run = files
    check_failed(flowgen_process("score", tmp_path, run), "is a folder; expected a file")
    samples.write_bytes(b'{"id": "\xff"}')
    check_failed(flowgen("score", samples, run), "is not UTF-8 at byte 8")
    check_failed(flowgen("score", "test", "-C", tmp_path), "is no project folder")
    check_failed(flowgen("slices", "absent"), "datasets here: test")
    (tmp_path / "matrix.csv").write_text("sample_id,foreach\nt-001,1\nt-002,2\n")
    check_failed(flowgen("validate", tmp_path / "matrix.csv"), "matrix.csv:3 foreach: is '2'; expected 1 or 0")


def test_hostile_files_end_in_one_line(files):
    samples, run = files
    deep = '{"id": "a", "requirement": "r", "expected": ' + "[" * 10_000 + "]" * 10_000 + "}\n"
    check_failed(flowgen("score", lines(samples, deep), run), "samples.jsonl:1: is nested too deeply")
    long = json.dumps({**SAMPLE, "requirement": "x" * 50_000_000}) + "\n"
    check_failed(flowgen("score", lines(samples, SAMPLE, long), run), "samples.jsonl:2: is longer than 8,000,000 bytes")


def test_validate_lists_every_problem(files):
    samples, run = files
    assert flowgen("validate", samples, run).returncode == 0
    orphan = {"trigger": None, "components": [{"name": "x", "step": 1, "block": 1}, {"name": "ELSE", "step": 2}]}
    lines(run, GENERATION, {**GENERATION, "repeat": 1, "generated": orphan})
    done = flowgen("validate", samples, run, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert [p["code"] for p in found["problems"]] == ["orphan", "else_without_if", "empty_block"]
    assert found["problems"][0]["place"].endswith("m.jsonl:2 generated components[0]")
    assert (found["errors"], found["warnings"]) == (2, 1)
    check_failed(flowgen("validate", samples.parent / "absent.jsonl"), "no such file")


def test_strict_reads_generations_as_they_stand(files):
    _, run = files
    reply = "Here you are:\n```json\n" + json.dumps(SAMPLE["expected"]) + "\n```"
    lines(run, {**GENERATION, "generated": None, "raw": reply})
    found = [json.loads(flowgen("score", *files, "--json", *flag).stdout) for flag in ([], ["--strict"])]
    assert [f["unreadable"] for f in found] == [0, 1]
    assert [f["models"]["m"]["inputs"] for f in found] == [1, 0]
    assert [f["read_as"]["repaired"] for f in found] == [1, 0]


def check_failed(done, said):
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_help_lists_every_command_as_it_describes_itself_and_imports_none():
    load_commands()
    made = typer.main.get_command(app).commands
    assert {name: " ".join(c.help.split("\n\n")[0].split()) for name, c in made.items()} == {
        name: said for name, (_, said) in COMMANDS.items()
    }
    asked = {"_FLOWGEN_COMPLETE": "complete_bash", "COMP_WORDS": "flowgen sc", "COMP_CWORD": "1"}
    heavy = f"""
import os, sys
from flowgen_analysis.cli.main import main
main(["--help"])
os.environ |= {asked}
sys.argv = ["flowgen"]
try:
    main()
finally:
    print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout.split()
    told = loaded[: loaded.index("sys")]
    assert told[-2:] == ["score", "scores"], "what a shell is told to complete `sc` with"
    assert not {"numpy", "polars", "rich.table", "flowgen_analysis.study"} & set(loaded)


def test_version():
    done = flowgen("--version")
    assert (done.returncode, done.stdout) == (0, f"flowgen {__version__}\n")


def test_a_dataset_that_is_not_named_is_the_only_one_or_test(tmp_path):
    flowgen("init", tmp_path)
    check_failed(flowgen("matrix", cwd=tmp_path), "holds no dataset")
    lines(tmp_path / "datasets" / "zeta.jsonl", SAMPLE)
    assert "zeta" in flowgen("matrix", cwd=tmp_path).stdout
    lines(tmp_path / "datasets" / "alpha.jsonl", SAMPLE)
    check_failed(flowgen("matrix", cwd=tmp_path), "there are several; expected one of alpha, zeta")
    lines(tmp_path / "datasets" / "test.jsonl", SAMPLE)
    assert flowgen("matrix", cwd=tmp_path).stdout.startswith("test: 1 samples")
