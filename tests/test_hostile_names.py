"""Names and texts from data name a file of the project and nothing else, and are shown as text wherever they are shown."""

import json
import re
import shutil
from pathlib import Path

import pytest
from bad_files import SMALL, small_project
from shell import flowgen

from flowgen_analysis.flows.dataset import load_runs
from flowgen_analysis.flows.model import Generation
from flowgen_analysis.project import Project, file_name, model_name
from flowgen_analysis.reports.findings import Findings, finding

NAMES = [
    "a/b", "a:b", "a_b", "a%2Fb", "../../../evil", "..", ".", ".hidden", "/etc/passwd", "C:\\x", "a b", " ", "é", "日本", "con", "x" * 300,
    "x" * 299 + "y", "a\nb", "a\x1b[2J", "*", "?", "[a]", "\u202eabc", "~", "-rf", "a+perfect", "gpt-4o",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return small_project(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def project(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "project")


@pytest.mark.fault(
    "Hostile names: models called `../../../evil`, `a/b`, `a:b`, 300 characters, …",
    "each has a file of its own in the project",
    tries=27,
)
def test_every_model_has_a_file_of_its_own(project):
    p, before = Project(project), {f for f in project.parents[1].rglob("*") if not f.is_relative_to(project)}
    for name in NAMES:
        path = p.save_run("test", name, [Generation(sample_id=SMALL[0].id, model=name, generated=SMALL[0].reference)])
        assert path.parent == project / "runs" / "test"
    assert len({p.run_path("test", n) for n in NAMES}) == len(NAMES)
    assert sorted(r.model for r in p.runs("test", SMALL)) == sorted([*NAMES, "nearest", "rules"])
    assert {f for f in project.parents[1].rglob("*") if not f.is_relative_to(project)} == before
    assert [n for n in NAMES if len(n) < 50 and model_name(file_name(n)) != n and n != "con"] == []


def test_a_run_of_the_former_name_is_found(project):
    p = Project(project)
    former = p.run_path("test", "x").with_name("org_model.jsonl")
    p.save_run("test", "org/model", [Generation(sample_id=SMALL[0].id, model="org/model")]).rename(former)
    assert p.run_path("test", "org/model") == former
    assert p.run_path("test", "org:model") != former
    assert load_runs([former], SMALL)[0].model == "org/model"


EVIL = "[/x] [bold]a\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\r\b"


@pytest.mark.parametrize(
    "command",
    [["score", "test"], ["score", "test", "--json"], ["slices", "test"], ["compare", "test"], ["discover", "test"],
     ["matrix", "test"], ["score", "test", "--explain"], ["validate", "runs/test/evil.jsonl"], ["report", "test", "-o", "r.md"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.fault(
    "Hostile text: markup and control characters in the names of models and subsets, on the terminal",
    "shown spelled out",
    tries=9,
)
def test_nothing_steers_the_terminal(project, command):
    rows = [{"id": s.id, "model": EVIL, "generated": {"components": [{"name": EVIL, "step": 1}]}} for s in SMALL]
    (project / "runs" / "test" / "evil.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    registry = project / "feature_matrices" / "features.toml"
    registry.write_text(
        registry.read_text()
        + f'\n[[subsets]]\nname = {json.dumps(EVIL)}\ntitle = {json.dumps(EVIL)}\ndescription = "d"\nfeatures = ["foreach"]\n'
    )
    done = flowgen(*command, cwd=project)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)
    if "--json" in command:
        assert EVIL in json.loads(done.stdout)["models"]
    if "report" in command:
        text = (project / "r.md").read_text()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


HEADS = {
    "--title": ["a\x1b[2J", "a\nb", "\u202ea", "\x00"],
    "--date": ["<script>", "yesterday", "2026-13-01", "20260131", "2026-01-31T00:00", "\x1b[2J"],
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, values in HEADS.items() for v in values])
@pytest.mark.fault("Hostile text: a title with control characters, a date that is none", "one line, exit 2", tries=10)
def test_title_and_date(project, option, value):
    done = flowgen("report", "test", option, value, cwd=project)
    assert done.returncode == 2
    assert done.stderr.startswith(f"flowgen: {option}: is ")
    assert done.stderr.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stderr)
    assert not (project / "reports" / "test.md").exists()


NOTES = ["<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "<script>alert(1)</script>", "![a](data:text/html,x)", "[a](file:///etc/passwd)"]  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.fault("Hostile text: HTML and links to scripts in a note, in a Markdown report", "plain text")
def test_a_note_in_markdown(project, note):
    Findings(project / "reports" / "findings").add(finding("note", "Mine", f"First.\n\n{note}"))
    assert flowgen("report", "test", "-o", "r.md", cwd=project).returncode == 0
    text = re.sub(r"!\[[^\]]*\]\(r_charts/[\w.-]+\)", "", (project / "r.md").read_text())  # the report's own charts
    assert "First." in text
    assert not re.search(r"<(img|script)|[^\\]\]\(", text)
