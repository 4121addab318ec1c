"""What changed between two reports: the facts first, in every form, and what became of findings."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from shared import ROOT
from shell import flowgen

from flowgen_analysis import Workbench
from flowgen_analysis.flows.dataset import save_samples
from flowgen_analysis.flows.model import Flow, Generation, Sample, Step
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.reports.differences import compare_reports
from flowgen_analysis.reports.forms.comment import MOST, comment_markdown
from flowgen_analysis.reports.forms.html import page_html
from flowgen_analysis.reports.write import write_report

LOG, LOOP = (
    Flow(components=[Step(name="log", step=1), Step(name="send_email", step=2)]),
    Flow(components=[Step(name="FOREACH", step=1), Step(name="log", step=2, block=1)]),
)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """108 samples, two models; `m` makes half of what is asked."""
    folder = tmp_path_factory.mktemp("before") / "p"
    init_project(folder)
    project = Project.open(folder)
    samples = [Sample(id=f"s{i:03d}", requirement=f"Do {i}", expected=[LOOP if i % 3 else LOG]) for i in range(108)]
    save_samples(project.dataset_path("d"), samples)
    half = Flow(components=[Step(name="log", step=1)])
    for model in ("m", "k"):
        project.save_run("d", model, [Generation(sample_id=s.id, model=model, generated=half) for s in samples])
    wb = Workbench.open(folder, "d")
    wb.keep("comparison", "Level", models=["m", "k"])
    return folder


def replaced(before: Path, folder: Path, change) -> Workbench:
    """A copy of the project in which `change` has been at each generation of `m`."""
    shutil.copytree(before, folder)
    project = Project.open(folder)
    wb = Workbench.open(folder, "d")
    [run] = [r for r in wb.runs if r.model == "m"]
    project.save_run("d", "m", [change(i, g, wb.study.by_id[g.sample_id]) for i, g in enumerate(run.generations)])
    return Workbench.open(folder, "d")


def fifteen(i: int, g: Generation, sample: Sample) -> Generation:
    """Seven by the expected flow, eight by nothing."""
    flow = sample.reference if i < 7 else None if i < 15 else g.generated
    return g.model_copy(update={"generated": flow, "error": None if flow else "cut <off>"})


@pytest.fixture(scope="module")
def after(before, tmp_path_factory):
    return replaced(before, tmp_path_factory.mktemp("after") / "p", fifteen)


@pytest.fixture(scope="module")
def changes(before, after):
    old = Workbench.open(before, "d").report_content(samples=0).data
    return compare_reports(old, after.report_content(samples=0).data, ("old.html", "new.html"))


def test_fifteen_replaced_generations_are_named_on_the_first_screen(changes, after):
    assert changes.summary[0] == "15 of 216 generations changed: 7 better and 8 worse; 8 newly unreadable."
    [of_m] = [s for s in changes.summary if s.startswith("m: ")]
    assert of_m.startswith("m: 15 of 108 changed, 7 better and 8 worse (8 newly unreadable). Mean FlowSim")
    assert "k: nothing changed in 108 generations." in changes.summary
    told = "\n".join(changes.summary)
    assert all(f"s{i:03d} (" in told for i in range(15))
    rows = changes.section("changed_rows")
    assert len(rows.tables[0].rows) == len(rows.samples) == 15
    assert {str(r[5].value) for r in rows.tables[0].rows} == {
        "is now the expected flow",
        "cannot be read any more: cut <off>",
    }
    page = page_html(changes)
    assert page.count("fd-heads") >= 15, "expected, before and now side by side"
    assert "cut <off>" not in page


def test_the_comment_folds_every_regression_with_its_diff(changes):
    told = comment_markdown(changes)
    assert len(told) < MOST
    assert told.index("15 of 216") < told.index("<details>")
    assert told.count("```diff") == 15
    assert "! " in told
    assert "✓" in told
    short = comment_markdown(changes, 6_000)
    assert len(short) <= 6_000
    assert "15 of 216" in short
    assert "more parts do not fit" in short


def test_nothing_changed_says_so_and_shows_no_q(before, tmp_path):
    data = Workbench.open(before, "d").report_content(samples=0).data
    content = compare_reports(data, data)
    assert content.summary[0] == "Nothing changed: all 216 generations of k and m are the same."
    for form in ("md", "html", "tex"):
        told = write_report(content, tmp_path / f"r.{form}").read_text()
        body = told.split("<main>")[-1].split("About this report")[0].split(r"\section*{About")[0]
        assert not re.search(r"\b[pq] (?:0\.|<|&lt;|1\.)", body), form


def test_too_few_changes_are_told_and_not_tested(before, tmp_path):
    wb = replaced(before, tmp_path / "p", lambda i, g, s: fifteen(i, g, s) if i < 7 else g)
    found = compare_reports(
        Workbench.open(before, "d").report_content(samples=0).data, wb.report_content(samples=0).data
    )
    assert any(
        s.startswith("m: 7 of 108 changed, 7 better and 0 worse.") and "too few to test (n 7)" in s
        for s in found.summary
    )


def test_a_reversed_finding_is_called_reversed(before, tmp_path):
    better = replaced(
        before, tmp_path / "a", lambda i, g, s: g.model_copy(update={"generated": s.reference}) if i < 60 else g
    )
    better.keep("comparison", "M is better", models=["m", "k"])
    worse = replaced(
        tmp_path / "a", tmp_path / "b", lambda i, g, s: g.model_copy(update={"generated": None, "error": "torn"})
    )
    found = compare_reports(better.report_content(samples=0).data, worse.report_content(samples=0).data)
    rows = {r["title"]: r for r in found.data["findings"]}
    assert rows["M is better"]["mark"] == "reversed"
    assert rows["Level"]["mark"] == "reversed"
    assert found.section("findings_changed").said[0].startswith("Findings: reversed: ")
    assert next(s for s in found.summary if s.startswith("Findings: reversed"))


def test_runs_and_models_are_sides_too(after, before):
    old = Project.open(before).run_path("d", "m")
    assert after.changes(old).rows.shape[0] == 15
    assert after.changes("k", "m").summary[0].startswith("k → m: 15 of 108 changed, 7 better and 8 worse")
    rows = after.changes(Project.open(before).root / "runs" / "d").rows
    assert rows["kind"].value_counts().sort("kind").rows() == [("better", 7), ("worse", 8)]
    assert rows.filter(pl.col("unread") > 0).height == 8


def test_the_shell_says_it_and_can_fail(before, after, tmp_path):
    sides = [Workbench.open(before, "d").report(tmp_path / "old.json"), after.report(tmp_path / "new.json")]
    done = flowgen("report", "--compare", *sides, "--fail-on-worse", "7")
    assert done.returncode == 1
    assert done.stdout.startswith("15 of 216 generations changed")
    assert len(re.findall(r"^s\d{3}  m ", done.stdout, re.MULTILINE)) == 15
    told = json.loads(flowgen("report", "--compare", *sides, "--fail-on-worse", "8", "--json").stdout)
    assert [m["changed"] for m in told["models"]] in ([0, 15], [15, 0])


def test_the_ready_workflows_write_the_comment(before, tmp_path):
    """In a repository whose branch replaced fifteen generations."""
    repository = tmp_path / "repository"
    shutil.copytree(before, repository)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(repository)]

    def commit(branch: str) -> None:
        for command in (["checkout", "-qb", branch], ["add", "-A"], ["commit", "-qm", branch]):
            subprocess.run([*git, *command], check=True, capture_output=True)

    subprocess.run([*git[:-2], "init", "-q", str(repository)], check=True)
    commit("base")
    made = replaced(before, tmp_path / "copy", fifteen)
    shutil.copy(made.project.run_path("d", "m"), Project.open(repository).run_path("d", "m"))
    commit("branch")
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "flowgen").write_text(f'#!/bin/sh\nexec {sys.prefix}/bin/flowgen "$@"\n')
    (bare / "flowgen").chmod(0o755)
    own = os.environ | {"PATH": f"{bare}:{os.environ['PATH']}", "DATASET": "d", "BASE": "base", "PYTHONPATH": str(ROOT)}
    github = yaml.safe_load((ROOT / "docs/ci/github.yml").read_text())
    [script] = [step["run"] for step in github["jobs"]["compare"]["steps"] if step.get("name") == "Compare"]
    gitlab = yaml.safe_load((ROOT / "docs/ci/gitlab.yml").read_text())
    assert gitlab["flows"]["script"] == script.strip().splitlines(), "one is tried, both are the same"
    done = subprocess.run(["sh", "-ec", script], cwd=repository, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = (repository / "comment.md").read_text()
    assert len(told) < 60_000
    assert "15 of 216 generations changed" in told
