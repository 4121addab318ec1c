"""One question has one answer: every screen, form and command says the same n, mean, interval, p, q, verdict and note.

The study is asked once; then each surface is read as a reader would read it, and held to it."""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from shared import ROOT

from flowgen_analysis.analysis.compare import verdict
from flowgen_analysis.analysis.statistics import Mean
from flowgen_analysis.cli.main import main
from flowgen_analysis.figures.style import interval, p_value, percent, signed, span
from flowgen_analysis.flows.dataset import Run, save_run, save_samples
from flowgen_analysis.flows.model import Flow, Generation, Sample
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.reports.content import Cell, Content
from flowgen_analysis.reports.forms.markdown import page_markdown as markdown
from flowgen_analysis.widgets.sheets import Causes, Compare, Shared
from flowgen_analysis.workbench import Workbench

MODELS = ("careful", "brief", "partial")
SLICES = ("", "foreach", "notification_email", "steps > 4")


def shortened(flow: Flow, rng: np.random.Generator, share: float) -> Flow:
    """The flow without some of its last steps."""
    kept = max(1, round(len(flow.components) * (1 - share * rng.random())))
    return Flow(trigger=flow.trigger, components=flow.components[:kept])


def runs_over(samples: list[Sample]) -> Iterator[Run]:
    """Three made-up models: one nearly right with repeats, one that forgets more and is unreadable at times, and one with scores on
    a part of the samples only."""
    rng = np.random.default_rng(5)
    for model, share, repeats in zip(MODELS, (0.5, 0.9, 0.2), (2, 1, 1), strict=True):
        made = []
        for i, s in enumerate(samples):
            if model == "partial" and i % 3:
                continue
            for repeat in range(repeats):
                broken = model == "brief" and i % 9 == 0
                flow = None if broken else shortened(s.reference, rng, share)
                error = "no JSON" if broken else None
                note = {"note": "a stand-in of the tests"}
                made.append(
                    Generation(sample_id=s.id, model=model, repeat=repeat, generated=flow, error=error, made=note)
                )
        yield Run(model, made)


@pytest.fixture(scope="module", params=["one deployment", "eight deployments"])
def workbench(request, tmp_path_factory) -> Workbench:
    """Sixty samples of TEST with three runs, of one deployment or of eight."""
    folder = tmp_path_factory.mktemp("one_answer")
    init_project(folder)
    project = Project(folder)
    samples = Project(ROOT).samples("test")[:60]
    if request.param == "eight deployments":
        samples = [s.model_copy(update={"environment": f"site{i % 8}"}) for i, s in enumerate(samples)]
    save_samples(project.dataset_path("d"), samples)
    for run in runs_over(samples):
        save_run(project.run_path("d", run.model), run.generations)
    return Workbench.open(folder, "d")


@pytest.fixture(scope="module")
def content(workbench) -> Content:
    return workbench.report_content(samples=0)


def said(workbench: Workbench, *arguments: str) -> dict:
    """What a command prints as JSON."""
    out = StringIO()
    with redirect_stdout(out):
        main([*arguments, "--json", "-C", str(workbench.project.root)])
    return json.loads(out.getvalue())


def same(mean: Mean, n, value, low, high) -> bool:
    """Whether four figures are those of a mean, to the last digits."""
    pairs = zip(mean[1:4], (value, low, high), strict=True)
    return mean.n == n and all(
        a is b is None or (a is not None and b is not None and abs(a - b) < 1e-12) for a, b in pairs
    )


def row_of(content: Content, table: str, *begins: str) -> dict[str, Cell]:
    """The row of a report's table that begins with these words, by header."""
    found = next(t for t in content.tables() if t.name == table)
    row = next(r for r in found.rows if tuple(str(c.value) for c in r[: len(begins)]) == begins)
    return dict(zip(found.headers, row, strict=True))


# -- a mean


def test_a_slice_has_one_mean_on_every_surface(workbench, content):
    study, explorer = workbench.study, workbench.explorer()
    for slice in SLICES:
        truth = {m: study.mean(m, slice=slice) for m in MODELS}
        explorer.slice = slice
        bar = [r["inside"] for r in explorer._panel.means["rows"]]
        names = [r["name"] for r in explorer._panel.means["rows"]]
        profile = {m.model: m.inside for m in workbench.profile(slice).models}
        summary = {r["model"]: r for r in workbench.index().summary(slice).to_dicts()}
        cli = said(workbench, "slices", "d", "-s", slice)["slices"][slice or "all"]["models"]
        for model, mean in truth.items():
            shown = bar[names.index(model)]
            assert same(mean, shown["n"], shown["v"], shown["low"], shown["high"]), (slice, model)
            assert same(mean, *(cli[model][k] for k in ("n", "mean", "low", "high")))
            assert same(mean, *(summary[model][k] for k in ("n", "mean", "low", "high")))
            assert profile[model] == mean
            assert len(explorer.samples()) == explorer.bar.state["n"] == study.profile(slice).n
        if slice == "":
            for h in workbench.headline():
                assert same(truth[h.model], h.inputs.n, *h.inputs[1:4])
                row = row_of(content, "headline", "d", h.model)
                assert same(truth[h.model], row["n"].value, *row["Outline and inputs"][1:4])
            cli = said(workbench, "score", "d")["models"]
            assert all(
                same(truth[m], *(cli[m]["intervals"]["inputs"][k] for k in ("n", "mean", "low", "high")))
                for m in MODELS
            )


def test_a_subset_table_is_the_same_in_notebook_report_shell_and_explorer(workbench, content):
    tables = {t.name: t for t in workbench.subset_tables()}
    shell = said(workbench, "slices", "d")["subsets"]
    drawn = html.unescape(re.sub("<[^>]+>", " ", str(workbench.subsets())))
    explorer = workbench.explorer()
    slices = {(r["name"], r["model"]): r for r in explorer.slices().to_dicts()}
    for name, table in tables.items():
        for model, mean in table.union.means.items():
            assert same(mean, *(shell[name]["models"][model][k] for k in ("n", "mean", "low", "high")))
            assert same(mean, *(slices[name, model][k] for k in ("n", "mean", "low", "high")))
            assert interval(mean) in drawn
            row = row_of(content, "subsets", name, "All")
            assert same(mean, mean.n, *row[model][1:4])
            assert row["n"].value == table.union.n
        for feature in table.rows:
            for model, mean in feature.means.items():
                assert same(
                    mean,
                    *(shell[name]["features"][feature.name]["models"][model][k] for k in ("n", "mean", "low", "high")),
                )


def test_a_list_a_panel_and_a_diff_give_a_sample_one_score(workbench):
    explorer = workbench.explorer()
    explorer.pinned = explorer.index.models
    of = {(r["sample_id"], r["model"]): r["inputs"] for r in workbench.scores.by_sample().to_dicts()}
    several = [s.id for s in workbench.samples if len(s.expected) > 1][:2]
    for sample in [*(s.id for s in workbench.samples[:3]), *several]:
        explorer.selected = sample
        listed = next(r for r in explorer._panel.rows["rows"] if r["id"] == sample)
        shown = dict(zip(explorer.shown, listed["scores"], strict=True))
        for model in MODELS:
            expected = of.get((sample, model))
            assert shown[model] == (None if expected is None else pytest.approx(expected, abs=1e-12))
        for model in ("brief", "partial"):  # one generation a sample: the panel's score is the sample's
            if of.get((sample, model)):
                explorer.pinned = (model,)
                assert percent(of[sample, model]) in re.sub("<[^>]+>", " ", explorer._view.state["html"])
        explorer.pinned = explorer.index.models


# -- a difference


def test_a_pair_has_one_difference_p_q_and_verdict_on_every_surface(workbench):
    study, slices = workbench.study, list(SLICES[1:])
    truth = study.compare(("careful", "brief"), slices=tuple(slices)).to_dicts()
    notebook = workbench.compare("careful", "brief", slices=slices).to_dicts()
    arguments = [a for s in slices for a in ("-s", s)]
    shell = said(workbench, "compare", "d", "-m", "careful", "-m", "brief", *arguments)
    assert notebook == truth
    assert shell["independent"] == study.unit
    assert shell["notes"] == study.notes
    for row, other in zip(truth, shell["comparisons"], strict=True):
        for key in ("n", "difference", "low", "high", "p", "q", "wins", "ties", "losses", "units"):
            assert other[key] == pytest.approx(row[key], abs=1e-12, nan_ok=True), key
        assert other["verdict"] == verdict(row)
    explorer = workbench.explorer()
    explorer.baseline = "brief"
    for row in truth:
        explorer.slice = row["slice"]
        cell = next(r for r in explorer._panel.means["rows"] if r["name"] == "careful")["difference"]
        assert (cell["n"], cell["v"]) == (row["n"], pytest.approx(row["difference"], abs=1e-12))
        assert (cell["low"], cell["high"]) == (
            pytest.approx(row["low"], abs=1e-12),
            pytest.approx(row["high"], abs=1e-12),
        )
        assert f"p {p_value(row['p'])}" in cell["test"]


def test_the_compare_view_shows_what_the_study_says(workbench):
    study = workbench.study
    sheet = Compare(Shared(), lambda: study)
    sheet.settings = {"a": "careful", "b": "brief"}
    sheet.show()
    text = html.unescape(re.sub("<[^>]+>", " ", sheet.state["html"]))
    rows = study.compare(("careful", "brief"), slices=tuple(sheet.slices())).to_dicts()
    assert sheet.state["error"] == ""
    for row in rows:
        if row["n"] > 1:
            assert signed(row["difference"]) in text
            assert span(row["low"], row["high"]) in text
            assert p_value(row["p"]) in text
            assert p_value(row["q"]) in text
    marks = text.count("●") - 1  # one in the legend
    assert marks == sum(verdict(r) in ("higher", "lower") for r in rows)


def test_all_samples_are_one_question_with_one_q(workbench, content):
    """Asked alone, among slices, of the leader, in the strip of the explorer, in a view and in a report."""
    study, explorer = workbench.study, workbench.explorer()
    leader = study.standing().leader
    truth = {r["b"]: r for r in study.standing().rows}
    sheet = Compare(Shared(), lambda: study)
    for other, row in truth.items():
        alone = workbench.compare(leader, other).row(0, named=True)
        among = workbench.compare(leader, other, slices=["", *SLICES[1:]]).row(0, named=True)
        shell = said(workbench, "compare", "d", "-m", leader, "-m", other)["comparisons"][0]
        explorer.baseline = other
        strip = next(r for r in explorer._panel.means["rows"] if r["name"] == leader)["difference"]
        sheet.settings = {"a": leader, "b": other}
        first = study.compare((leader, other), slices=tuple(sheet.slices())).row(0, named=True)
        for found in (alone, among, shell, first):
            assert [found[k] for k in ("p", "q", "q_collapse")] == [row[k] for k in ("p", "q", "q_collapse")]
            assert verdict(found) == verdict(row)
        assert f"q {p_value(row['q'])}" in strip["test"]
        assert (strip["why"] == "") is (verdict(row) in ("higher", "lower"))
        assert p_value(row["q"]) in html.unescape(markdown(content).replace("\\", ""))


def test_the_heatmap_and_a_comparison_of_features_agree_to_the_q(workbench):
    explorer = workbench.explorer()
    explorer.baseline = "brief"
    heat = {(r["name"], r["model"]): r for r in explorer.heatmap().to_dicts()}
    names = list(workbench.matrix.names)
    for model in ("careful", "partial"):
        for row in workbench.study.compare((model,), "brief", tuple(names)).to_dicts():
            cell = heat[row["slice"], model]
            assert cell["n"] == workbench.study.mean(model, slice=row["slice"]).n
            if row["n"]:
                assert cell["p"] == pytest.approx(row["p"], abs=1e-12), row
                assert cell["difference"] == pytest.approx(row["difference"], abs=1e-12)


# -- causes


def test_causes_and_repairs_are_the_same_everywhere(workbench, content):
    study = workbench.study
    shell = said(workbench, "score", "d", "--explain")["causes"]
    for metric in ("inputs", "outline"):
        sheet = Causes(Shared(metric=metric), lambda: study)
        sheet.show()
        text = re.sub("<[^>]+>", " ", sheet.state["html"])
        for row in study.causes(metric=metric).to_dicts():
            if row["share"] > 0.1:
                assert f"{percent(row['share'])}%" in text, (metric, row)
    for row in study.causes().to_dicts():
        other = next(r for r in shell[row["model"]] if r["kind"] == row["kind"])
        for key in ("n", "met", "loss", "low", "high", "share", "share_low", "share_high"):
            assert other[key] == pytest.approx(row[key], abs=1e-12)
    table = next(t for t in content.tables() if t.name == "causes")
    for model in MODELS:
        rows = [dict(zip(table.headers, r, strict=True)) for r in table.rows if str(r[0].value) == model]
        own = study.causes(model=model).to_dicts()
        for shown, row in zip(sorted(rows, key=lambda r: -(r["Points lost"].value or 0)), own, strict=False):
            assert shown["Points lost"].value == pytest.approx(row["loss"], abs=1e-12)


# -- sentences and notes


def test_the_verdict_is_the_same_in_notebook_app_and_every_form(workbench, content):
    told = workbench.verdict()
    assert list(content.summary)[: len(told)] == told
    text = markdown(content)
    for sentence in told:
        assert all(number in text for number in re.findall(r"\d+\.\d", sentence)), sentence
    assert "partial" in " ".join(told)
    assert "Not ranked" in " ".join(told)


def test_what_is_independent_is_named_wherever_it_is_not_the_sample(workbench, content):
    by_deployment = "deployment" in " ".join(workbench.verdict())
    assert by_deployment is (workbench.study.unit == "deployment")
    assert ("deployment" in markdown(content)) is by_deployment
    sheet = Compare(Shared(), lambda: workbench.study)
    sheet.show()
    assert ("deployment" in sheet.state["html"]) is by_deployment


def test_no_model_is_called_best_across_different_samples(workbench, content):
    assert not workbench.study.standing().same_samples
    assert "<b>" not in str(workbench.subsets()).split("fg-caption")[0]
    assert not any(c.mark in ("best", "second") for t in content.tables() for row in t.rows for c in row)


def test_a_stale_run_is_named_on_every_surface(tmp_path):
    """After one sample is edited, notebook, explorer, report, app and shell say that the run is stale."""
    init_project(tmp_path)
    project = Project(tmp_path)
    samples = Project(ROOT).samples("test")[:12]
    save_samples(project.dataset_path("d"), samples)
    wb = Workbench.open(tmp_path, "d")
    assert "stale" not in str(wb.notes) + markdown(wb.report_content(samples=0))
    save_samples(project.dataset_path("d"), [samples[0].model_copy(update={"requirement": "Log it"}), *samples[1:]])
    wb.reload()
    surfaces: dict[str, Callable[[], object]] = {
        "notebook": lambda: wb.notes,
        "overview": lambda: wb.overview().state["html"],
        "table": lambda: wb.subsets(),
        "explorer": lambda: wb.explorer()._panel.means["notes"],
        "report": lambda: markdown(wb.report_content(samples=0)),
        "html": lambda: Path(wb.report(tmp_path / "reports" / "d.html", samples=0)).read_text(),
        "tex": lambda: Path(wb.report(tmp_path / "reports" / "d.tex", samples=0)).read_text(),
        "shell": lambda: said(wb, "compare", "d")["notes"],
    }
    silent = [name for name, look in surfaces.items() if "stale" not in str(look())]
    assert silent == []
