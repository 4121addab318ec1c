"""Scores of every kind through a project: joined, compared, sliced, gated, judged; in their own units, the better way up."""

import json
from pathlib import Path

import polars as pl
import pytest
from judging import JudgeServer

from flowgen_analysis.cli.main import main
from flowgen_analysis.figures.charts import slice_chart
from flowgen_analysis.figures.differences import compare_html
from flowgen_analysis.figures.discoveries import queue_html
from flowgen_analysis.figures.tables import subset_html
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.scoring.functions import score
from flowgen_analysis.study import Judging, Study
from flowgen_analysis.widgets.explorer.explorer import Explorer
from flowgen_analysis.widgets.sheets import related

FLOW = {"trigger": None, "components": [{"name": "log", "step": 1, "inputs": []}]}
OTHER = {"trigger": None, "components": [{"name": "send_email", "step": 1, "inputs": []}]}
N = 24


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """24 tasks and two models: `good` passes 20 and costs 1 cent, `bad` passes 4 and costs 3."""
    init_project(tmp_path / "p")
    made = Project.open(tmp_path / "p")
    for folder in ("datasets", "runs/own"):
        (made.root / folder).mkdir(parents=True, exist_ok=True)
    rows = [{"id": f"t{i}", "requirement": f"number {i}", "expected": FLOW} for i in range(N)]
    write(made.root / "datasets" / "own.jsonl", rows)
    for model, passes, cents in (("good", 20, 0.01), ("bad", 4, 0.03)):
        lines = [{"id": f"t{i}", "model": model, "generated": FLOW if i < passes else OTHER, "cost_usd": cents,
                  "scores": {"passed": i < passes}} for i in range(N)]  # fmt: skip
        write(made.root / "runs" / "own" / f"{model}.jsonl", lines)
        beside = [{"id": f"t{i}" if i % 20 else f"z{i}", "scores": {"judge": 8 if i < passes else 3}} for i in range(N)]
        beside += [{"id": "t1", "scores": {"judge": 1}}, {"id": "t2", "scores": {"judge": "fine"}}]
        write(made.root / "runs" / "own" / f"{model}.scores.jsonl", beside)
    return made


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_what_does_not_join_is_listed_and_nothing_is_guessed(project):
    study = Study.open(project, "own")
    aside = study.score_book.brought.aside
    assert aside.height == 2 * 4  # two unknown ids, one said twice, one text, of each model
    assert study.values("judge").height == 2 * (N - 2 - 1)
    assert study.metric("judge").top == 10
    assert list(study.metrics)[:6] == ["inputs", "outline", "inputs_validated", "outline_validated", "passed", "judge"]


def test_yes_or_no_is_compared_by_mcnemar_and_gates(project, capsys):
    study = Study.open(project, "own")
    [row] = study.compare(("good", "bad"), metric="passed").to_dicts()
    assert row["test"] == "exact McNemar"
    assert row["p"] == pytest.approx(2 / 2**16)  # 16 tasks differ, all one way
    assert "exact McNemar" in compare_html(
        study.compare(("good", "bad"), metric="passed"), metric=study.metric("passed")
    )
    gate = [
        "compare",
        "own",
        "--project",
        str(project.root),
        "--metric",
        "passed",
        "--fail-on-regression",
        "--baseline",
    ]
    assert (main([*gate, "good"]), main([*gate, "bad"])) == (1, 0)
    said = capsys.readouterr().out
    assert "percentage points" in said
    assert "points of FlowSim" not in said


def test_less_is_better_everywhere(project):
    study = Study.open(project, "own")
    assert study.standing("cost").order == ["good", "bad"]
    assert study.mean("bad", "cost").mean == pytest.approx(3)
    [row] = study.compare(("good", "bad"), metric="cost").to_dicts()
    assert row["difference"] == pytest.approx(-2)
    assert row["low"] <= row["difference"] <= row["high"]
    assert study.regressions("good", "bad", metric="cost").is_empty()
    assert study.regressions("bad", "good", metric="cost")["difference"].to_list() == pytest.approx([2] * N)
    [said, apart, *_] = study.verdict("cost")
    assert "lowest mean of 'Cost' (less is better)" in said
    assert "ahead of bad by 2.00 cents" in apart
    review = study.review("cost")
    assert review.is_empty() or (review["best"] <= review["worst"]).all()
    table = subset_html(study.subset_tables("cost"), metric=study.metric("cost"))
    assert "Cost, cents" in table
    assert "less is better" in table


def test_slices_speak_of_any_score(project):
    index = Study.open(project, "own").index()
    assert len(index.members("passed:good & ~passed:bad")) == 16
    assert len(index.members("judge:good > 7")) == len(index.members("judge.good > 7")) == 18
    assert len(index.members("cost:bad > 2.5 & cost.good < 2")) == N
    assert len(Study.open(project, "own").index("judge").members("good > 7")) == 18
    for text, said in [
        ("passed", "is a score and is asked of a model"),
        ("judge:good", "has to be compared"),
        ("pased:good", "did you mean passed"),
    ]:
        with pytest.raises(ValueError, match="slice") as e:
            index.members(text)
        assert said in str(e.value)


@pytest.mark.parametrize("name", ["passed", "cost", "judge"])
def test_views_are_honest_about_units(project, name):
    study = Study.open(project, "own")
    metric, index = study.metric(name), study.index(name)
    everything = index.means(index.sets()[0])
    axis = slice_chart(everything, [], metric).layout
    assert (
        axis.annotations[0].text
        == {"passed": "Passed, %", "cost": "Cost, cents (less is better)", "judge": "Judge"}[name]
    )
    assert list(axis.xaxis.ticktext or ())[-1:] == {"passed": [], "cost": ["5"], "judge": ["10"]}[name]
    assert "FlowSim" not in queue_html(study.review(name), {}, metric=metric)
    explorer = Explorer(study, name)
    assert "FlowSim" not in json.dumps(explorer._means_state())
    drawn = {r["name"]: r["inside"]["v"] for r in explorer._means_state()["rows"]}
    assert drawn["good"] == pytest.approx(metric.place(study.mean("good", name).mean))


def test_own_functions_stand_beside_the_rest(project):
    study = Study.open(project, "own")
    study.index("passed")

    @score("odd", limit_s=5.0)
    def odd(sample, generation):
        return 1 / 0 if sample.id == "t3" else sample.id.endswith("1")

    [metric] = study.add_scores(odd)
    assert (metric.kind, study.score_book.failed["odd"].height) == ("share", 2)
    assert study.mean("good", "odd").n == N - 1
    study.add_scores(pl.DataFrame({"sample_id": ["t0", "t1"], "model": ["good", "good"], "minutes": [3.0, 90.0]}))
    assert study.metric("minutes").top == 100


def test_a_judge_never_stands_without_its_agreement(project):
    write(project.root / "rated.jsonl", [])
    (project.root / "judges.toml").write_text('[useful]\nprompt = "<r>$requirement</r> <flow>$generated</flow>"\n')
    (project.root / "ratings").mkdir(exist_ok=True)
    rated = [
        {"id": f"t{i}", "model": m, "repeat": 0, "by": "ana", "score": (i * 7) % 11, "at": "2026-01-01T00:00:00+00:00"}
        for i in range(N) for m in ("good", "bad")
    ]  # fmt: skip
    write(project.root / "ratings" / "own.jsonl", rated)
    with JudgeServer(says=lambda body: 8) as server:
        (project.root / "models.toml").write_text(
            f'[providers.loopback]\nbase_url = "{server.url}"\n[models.loop]\nprovider = "loopback"\nendpoint_model = "loop-1"\n'
        )
        study = Study.open(project, "own")
        judging = Judging(study, "useful", "loop")
        assert not server.paid
        assert "Nothing was asked yet" in repr(judging)
        assert judging.estimate.calls == 2 * N
        judging.run()
    assert judging.agreement.is_worthless
    assert judging.agreement.low <= 0
    assert "cannot be told from a judge without any idea" in repr(judging)
    assert study.mean("good", "useful").mean == pytest.approx(8)
    # kept beside the runs every view finds it, again with its agreement, and another run takes its place
    assert judging.keep() == judging.keep()
    assert {path.name for path in judging.keep()} == {"good.scores.jsonl", "bad.scores.jsonl"}
    again = Study.open(project, "own")
    assert again.metric("useful").unit == "of 10"
    assert again.values("useful").height == 2 * N
    assert again.values("judge").height == 2 * (N - 2 - 1), "other scores of the files stay"
    assert "cannot be told from a judge without any idea" in again.verdict("useful")[-1]
    assert "without any idea" in related(again, "inputs", "useful")
    again.score_book.add(judging.metric, judging.values, replace=True)


def test_a_rating_counts_as_soon_as_it_is_there(project):
    study = Study.open(project, "own")
    assert "rating" not in study.metrics
    (project.root / "ratings").mkdir(exist_ok=True)
    write(project.root / "ratings" / "own.jsonl", [{"id": "t0", "model": "good", "by": "ana", "score": 9}])
    assert "rating" not in study.metrics
    now = study.anew()
    assert now.values("rating")["value"].to_list() == [9]
    assert now.values("passed").height == 2 * N


@pytest.mark.parametrize(("name", "unit"), [("passed", "percentage points"), ("cost", "differences in cents")])
def test_a_report_over_a_score_says_its_unit(project, name, unit):
    options = ["--project", str(project.root), "--metric", name, "-o", str(project.root / "r.md")]
    assert main(["report", "own", *options]) == 0
    text = (project.root / "r.md").read_text()
    first, _, rest = text.partition("## What to do next")
    assert unit in first
    assert "FlowSim" not in first
    assert f"## Where, by {name.title()}" in first
    assert "In points of FlowSim, which is not" in rest
